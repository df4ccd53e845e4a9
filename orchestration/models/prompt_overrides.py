"""Texts that operators write in place of what a prompt section's code says; each version is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, F, OuterRef, Q, Subquery, When

from orchestration.clock import database_now
from orchestration.errors import TransitionRefused
from orchestration.models.engine_events import EngineEvent, EventKind
from orchestration.values.moments import MomentField

KNOWN_FOR_SECONDS = 1.0
"""A process asks the database for the texts at most this often."""
StoredTexts = Mapping[tuple[str, str], tuple[int, str]]
"""Version and text by (identity of the section, `instruction` or `message`)."""


class PromptPart(models.TextChoices):
    """Which of a section's two texts: the instruction goes to the developer message, the message to the user's."""

    INSTRUCTION = "instruction"
    MESSAGE = "message"


BASE = Case(When(is_current=True, then=F("version")), default=-F("version"))
"""What an edit starts from, of the newest version: its number, negative when it was withdrawn. 0 stands for none."""


class PromptTextQuerySet(models.QuerySet["PromptText"]):
    def current(self) -> Self:
        """The versions that prompts are rendered with now."""
        return self.filter(is_current=True)

    def of(self, section: str | OuterRef, part: str | OuterRef) -> Self:
        return self.filter(section=section, part=part)

    def base_of(self, section: str, part: str) -> int:
        """What an edit of this text starts from now, as BASE says."""
        newest = self.of(section, part).order_by("-version").values_list(BASE, flat=True).first()
        return newest or 0

    def with_bases(self) -> Self:
        """Each with `base`: what an edit of its text starts from now."""
        same = PromptText.objects.of(OuterRef("section"), OuterRef("part")).order_by("-version")
        return self.annotate(base=Subquery(same.values_list(BASE)[:1]))

    def texts(self) -> StoredTexts:
        """The current texts. One query."""
        rows = self.current().values_list("section", "part", "version", "text")
        return {(section, part): (version, text) for section, part, version, text in rows}


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
    created_at = MomentField(default=database_now, editable=False)

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

    def publish(self, *, by: Any = None, base: int | None = None) -> None:
        """Store this unsaved text as the next version, and render prompts with it from now on.

        `base`: what its author knew of, as `base_of` says; TransitionRefused when somebody published another version
        since, or withdrew that one. Workers read the texts once a second, so prompts have the new text after that.
        """
        with transaction.atomic():
            versions = PromptText.objects.of(self.section, self.part).select_for_update()
            # Two publishers: the second waits for the first's row, or breaks the constraint on the first version.
            now = max(versions.values_list(BASE, flat=True), key=abs, default=0)
            if base is not None and base != now:
                raise TransitionRefused(f"{meanwhile(now)} meanwhile; this text was written for {_named(base)}.")
            versions.current().update(is_current=False)
            self.pk, self.version, self.is_current, self.created_by = None, abs(now) + 1, True, by
            self.created_at = database_now()
            self._state.adding = True
            self.save(force_insert=True)
            EngineEvent.note(EventKind.PROMPT, str(self))
            transaction.on_commit(forget_texts)

    def withdraw(self) -> None:
        """current → kept for the record: the section's code says it again; TransitionRefused when it is not current."""
        with transaction.atomic():
            if PromptText.objects.current().filter(pk=self.pk).update(is_current=False) != 1:
                raise TransitionRefused(f"{self} is not in use.")
            EngineEvent.note(EventKind.PROMPT, f"{self} withdrawn")
            transaction.on_commit(forget_texts)
        self.is_current = False


def meanwhile(now: int) -> str:
    """What somebody did, of whom another base was expected."""
    return f"Version {now} was published" if now > 0 else f"Version {-now} was withdrawn"


def _named(base: int) -> str:
    return f"version {base}" if base > 0 else "what the section's code says"


_known: tuple[float, StoredTexts] | None = None


def known_texts() -> StoredTexts | None:
    """What was loaded less than KNOWN_FOR_SECONDS ago; None when it is time to ask again."""
    known = _known
    return known[1] if known is not None and time.monotonic() - known[0] < KNOWN_FOR_SECONDS else None


def load_texts(read: Callable[[], StoredTexts]) -> StoredTexts:
    """Ask the database with `read`, and remember the answer, unless another thread did so meanwhile."""
    global _known
    known = known_texts()
    if known is not None:
        return known
    texts = read()
    _known = (time.monotonic(), texts)
    return texts


def forget_texts() -> None:
    """The next prompt asks the database again."""
    global _known
    _known = None
