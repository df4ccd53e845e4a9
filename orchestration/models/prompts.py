"""Texts that operators write in place of what a prompt section's code says; in versions, each kept for good."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils import timezone

from orchestration.app import ensure_autostarted
from orchestration.errors import TransitionRefused
from orchestration.identity import PROMPTS
from orchestration.prompt_texts import EditedText, EditedTexts, forget_texts, text_faults
from orchestration.registry import registry_for


class PromptPart(models.TextChoices):
    """Which of a section's two texts: the instruction goes to the developer message, the message to the user's."""

    INSTRUCTION = "instruction"
    MESSAGE = "message"


class PromptTextQuerySet(models.QuerySet["PromptText"]):
    def current(self) -> Self:
        """The versions that prompts are rendered with now."""
        return self.filter(is_current=True)

    def of(self, section: str, part: str) -> Self:
        return self.filter(section=section, part=part)

    def texts(self) -> EditedTexts:
        """The current texts as the renderer takes them. One query."""
        rows = self.current().values_list("section", "part", "version", "text")
        return {(section, part): EditedText(version, text) for section, part, version, text in rows}


class PromptText(models.Model):
    """One version of a text. Versions never change; publishing adds one, withdrawing brings the code's text back."""

    section = models.CharField(max_length=520, help_text="Identity of the prompt section.")
    part = models.CharField(max_length=16, choices=PromptPart, default=PromptPart.INSTRUCTION)
    version = models.PositiveIntegerField(editable=False, default=0)
    text = models.TextField(
        help_text="{code} stands for what the section's code says, {name} for a context value, delimited as data."
        " Write {{ and }} for braces."
    )
    note = models.CharField(max_length=255, blank=True, default="", help_text="Why it was changed.")
    is_current = models.BooleanField(default=False, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        editable=False,
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PromptTextQuerySet.as_manager()

    class Meta:
        db_table = "prompt_text"
        ordering = ("section", "part", "-version")
        verbose_name = "prompt text"
        constraints = (
            models.UniqueConstraint(fields=("section", "part", "version"), name="prompt_text_version_once"),
            models.UniqueConstraint(
                fields=("section", "part"), condition=Q(is_current=True), name="prompt_text_one_current"
            ),
            models.CheckConstraint(condition=Q(part__in=PromptPart.values), name="prompt_text_part_known"),
        )

    def __str__(self) -> str:
        return f"{self.section.partition('.')[2]} {self.part} v{self.version}"

    def clean(self) -> None:
        """ValidationError when a prompt could not be rendered with this text."""
        super().clean()
        ensure_autostarted()
        section = registry_for(PROMPTS).try_get(self.section) if self.section else None
        if section is None:
            raise ValidationError({"section": f"No prompt section is registered as {self.section!r}."})
        faults = text_faults(section, self.text)
        if faults:
            raise ValidationError({"text": faults})

    def publish(self, *, by: Any = None) -> None:
        """Store this unsaved text as the next version, and render prompts with it from now on.

        Workers look once a second, so a prompt that is rendered later than that has the new text.
        """
        with transaction.atomic():
            versions = PromptText.objects.of(self.section, self.part).select_for_update()
            # Two publishers: the second waits for the first's row, or breaks the constraint on the first version.
            last = max(versions.values_list("version", flat=True), default=0)
            versions.current().update(is_current=False)
            self.pk, self.version, self.is_current, self.created_by = None, last + 1, True, by
            self.created_at = timezone.now()
            self._state.adding = True
            self.save(force_insert=True)
            transaction.on_commit(forget_texts)

    def withdraw(self) -> None:
        """current → kept for the record: the section's code says it again; TransitionRefused when it is not current."""
        with transaction.atomic():
            if PromptText.objects.current().filter(pk=self.pk).update(is_current=False) != 1:
                raise TransitionRefused(f"{self} is not in use.")
            transaction.on_commit(forget_texts)
        self.is_current = False

    @classmethod
    def last_version(cls, section: str, part: str) -> int:
        """0 when there is none."""
        found: int | None = cls.objects.of(section, part).aggregate(Max("version"))["version__max"]
        return found or 0
