"""The forms of instructors: what to let happen, scenarios, assignments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.accounts.roles import UserRole
from apps.simulation.cases import MAX_FINDINGS, MAX_MODIFIERS, Finding, validate_findings, validate_modifiers
from apps.simulation.schemas import LONGEST_MINUTES
from apps.simulation.text import validate_line, validate_text
from apps.trainerlab.models import ScenarioTemplate

MAX_TEXT = 4000
KINDS = [("lab_result", "Laboratory"), ("radiology_result", "Imaging")]
FLAGS = [(flag, flag.capitalize()) for flag in ("normal", "low", "high", "critical", "abnormal")]
SPARE_FINDINGS = 3


class TextForm(forms.Form):
    """A text that is told: an event, a direction."""

    text = forms.CharField(max_length=MAX_TEXT, validators=[validate_text])


class NoteTextForm(forms.Form):
    """What a note says."""

    text = forms.CharField(
        label="Note", max_length=MAX_TEXT, validators=[validate_text], widget=forms.Textarea(attrs={"rows": 5})
    )


class NoteForm(NoteTextForm):
    """A note on the session, or on the message with a number."""

    message_sequence = forms.IntegerField(required=False, min_value=1, label="Message number")


class FindingForm(forms.Form):
    """A finding; left empty, it is none."""

    kind = forms.ChoiceField(choices=KINDS)
    key = forms.CharField(label="Test", required=False, max_length=255, validators=[validate_line])
    value = forms.CharField(required=False, max_length=4000, validators=[validate_text])
    unit = forms.CharField(required=False, max_length=32, validators=[validate_line])
    reference_range = forms.CharField(label="Reference", required=False, max_length=64, validators=[validate_line])
    flag = forms.ChoiceField(choices=FLAGS, initial="normal")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("key")) != bool(cleaned.get("value")) and not self.errors:
            raise ValidationError("A finding needs both: the test and its value. To leave it out, empty both.")
        return cleaned

    @property
    def finding(self) -> Finding | None:
        """Of a valid form."""
        return Finding(**self.cleaned_data) if self.cleaned_data.get("key") else None


FindingFormSet = forms.formset_factory(
    FindingForm, extra=SPARE_FINDINGS, max_num=MAX_FINDINGS, validate_max=True, can_delete=False
)


class ScenarioForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A scenario without its findings, which have rows of their own."""

    minutes = forms.IntegerField(
        label="Time limit, minutes", required=False, min_value=1, max_value=LONGEST_MINUTES, help_text="Empty: none."
    )
    modifier_lines = forms.CharField(
        label="What makes the patient difficult",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=f"One a line, at most {MAX_MODIFIERS}.",
    )

    class Meta:
        model = ScenarioTemplate
        fields = (
            "title",
            "key",
            "summary",
            "sim_patient_full_name",
            "chief_complaint",
            "diagnosis",
            "scenario",
            "instructions",
            "is_open",
        )
        labels = {
            "sim_patient_full_name": "Name of the patient",
            "scenario": "What happened so far",
            "instructions": "How the patient should be played",
            "is_open": "Open: every trainee may start it",
        }
        help_texts = {
            "scenario": "As the patient knows it: since when, where, what makes it better, medicines, habits.",
            "instructions": "Mood, manner of speaking, what is told only when asked twice.",
        }
        widgets = {
            "summary": forms.Textarea(attrs={"rows": 2}),
            "scenario": forms.Textarea(attrs={"rows": 8}),
            "instructions": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.instance.time_limit
        self.initial.setdefault("minutes", None if limit is None else int(limit.total_seconds() // 60))
        self.initial.setdefault("modifier_lines", "\n".join(self.instance.modifiers))

    def clean_modifier_lines(self) -> list[str]:
        modifiers = [line.strip() for line in self.cleaned_data["modifier_lines"].splitlines() if line.strip()]
        validate_modifiers(modifiers)
        return modifiers

    def take_over(self, findings: list[Finding]) -> None:
        """Put what stands beside the model's own fields into the unsaved scenario; ValidationError for findings."""
        minutes = self.cleaned_data.get("minutes")
        self.instance.time_limit = None if minutes is None else timedelta(minutes=minutes)
        self.instance.modifiers = self.cleaned_data["modifier_lines"]
        self.instance.findings = [finding.model_dump() for finding in findings]
        validate_findings(self.instance.findings)


class PictureForm(forms.Form):
    """A picture that the patient of a scenario can show."""

    picture = forms.FileField(
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
        help_text="PNG, JPEG or WebP, at most 5 MB.",
    )
    description = forms.CharField(
        label="What it shows", max_length=255, validators=[validate_line], help_text="The model reads only this."
    )


class People(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not subscriptable at run time
    """People by name and address."""

    def label_from_instance(self, obj: User) -> str:
        return f"{obj.get_full_name()} ({obj})" if obj.get_full_name() else str(obj)


class AssignmentForm(forms.Form):
    """A scenario for one or more trainees."""

    template = forms.ModelChoiceField(ScenarioTemplate.objects.none(), label="Scenario", empty_label=None)
    trainees = People(User.objects.filter(role=UserRole.TRAINEE, is_active=True), widget=forms.CheckboxSelectMultiple)
    message = forms.CharField(
        label="Message to them",
        required=False,
        max_length=MAX_TEXT,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    due_at = forms.DateTimeField(
        label="Due, UTC",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = ScenarioTemplate.objects.visible_to(user).usable()
        self.fields["template"].queryset = usable  # type: ignore[attr-defined]  # is a ModelChoiceField
