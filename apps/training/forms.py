"""The forms of instructors: commands, notes, pictures, assignments. Those of a scenario: scenario_forms.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.accounts.reader_zone import zone_name
from apps.simulation.fields import validate_line, validate_text
from apps.trainerlab.errors import DueInThePast
from apps.trainerlab.models import ScenarioTemplate
from orchestration.clock import database_now
from orchestration.values.moments import validate_moment

MAX_TEXT = 4000


class TextForm(forms.Form):
    """The text of an event or of a direction."""

    text = forms.CharField(max_length=MAX_TEXT, validators=[validate_text])


class NoteTextForm(forms.Form):
    """The text of a note."""

    text = forms.CharField(
        label="Note", max_length=MAX_TEXT, validators=[validate_text], widget=forms.Textarea(attrs={"rows": 5})
    )


class NoteForm(NoteTextForm):
    """A note on the session, or on the message with a number."""

    message_sequence = forms.IntegerField(required=False, min_value=1, label="Message number")


class PictureForm(forms.Form):
    """A picture that the patient of a scenario can show."""

    picture = forms.FileField(
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
        help_text="PNG, JPEG or WebP, at most 5 MB.",
    )
    description = forms.CharField(
        label="What it shows",
        max_length=255,
        validators=[validate_line],
        help_text="The model reads only this description.",
    )


class People(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not subscriptable at run time
    """People by name and email."""

    def label_from_instance(self, obj: User) -> str:
        return f"{obj.get_full_name()} ({obj})" if obj.get_full_name() else str(obj)


class AssignmentForm(forms.Form):
    """A scenario for one or more trainees."""

    template = forms.ModelChoiceField(ScenarioTemplate.objects.none(), label="Scenario", empty_label=None)
    trainees = People(User.objects.filter(role=UserRole.TRAINEE, is_active=True), widget=forms.CheckboxSelectMultiple)
    message = forms.CharField(
        label="Message to the trainees",
        required=False,
        max_length=MAX_TEXT,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    due_at = forms.DateTimeField(
        validators=[validate_moment],
        label="Due",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = ScenarioTemplate.objects.visible_to(user).usable()
        self.fields["template"].queryset = usable  # type: ignore[attr-defined]  # is a ModelChoiceField
        self.fields["due_at"].help_text = f"In your time zone, {zone_name()}. Leave empty for no due date."

    def clean_due_at(self) -> datetime | None:
        due: datetime | None = self.cleaned_data["due_at"]
        if due is not None and due <= database_now():
            raise ValidationError(str(DueInThePast()))
        return due
