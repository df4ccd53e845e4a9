"""The forms that ask for the options of an operation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from orchestration.admin.operations import ReasonForm
from orchestration.theme.parts import (
    BooleanWidget,
    DecimalWidget,
    SelectWidget,
    TextareaWidget,
    TextInputWidget,
)
from persistence.bulk.pace import FASTEST
from persistence.models.approval import MAX_NOTE
from persistence.reprocessing.reports import Policy

POLICIES = (
    (Policy.KEEP.value, "keep: leave what was persisted before alone"),
    (Policy.UPDATE.value, "update: let the handler bring what it made up to date"),
    (Policy.RECREATE.value, "recreate: remove what the call made, and persist it again"),
)


class PaceForm(forms.Form):
    """How fast a run may be."""

    at_most = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=FASTEST // 60,
        label="At most so many calls",
        help_text="Leave empty for as fast as it can. You can change it while it runs.",
        widget=DecimalWidget,
    )
    per = forms.ChoiceField(
        required=False,
        choices=(("minute", "minute"), ("second", "second")),
        label="per",
        widget=SelectWidget,
    )

    @property
    def per_minute(self) -> int | None:
        """The pace, of a form that is valid; None for none."""
        calls = self.cleaned_data.get("at_most")
        return calls and calls * (60 if self.cleaned_data.get("per") == "second" else 1)


class StartForm(PaceForm, ReasonForm):
    """Why, how fast, and when."""

    field_order = ("reason", "at_most", "per", "starts_at")
    starts_at = forms.DateTimeField(
        required=False, label="Start at", widget=TextInputWidget(attrs={"type": "datetime-local"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["starts_at"].help_text = f"In the time zone {zone}. Leave empty to start it now."


class ReprocessForm(forms.Form):
    policy = forms.ChoiceField(
        choices=POLICIES,
        initial=Policy.KEEP.value,
        label="What to do with what was persisted before",
        help_text="Results that were not persisted yet are persisted in any case.",
        widget=SelectWidget,
    )
    force = forms.BooleanField(
        required=False,
        label="Include rows that were changed since",
        help_text="Remove or restore rows even if somebody changed them after the call.",
        widget=BooleanWidget,
    )


class RevertForm(forms.Form):
    force = ReprocessForm.base_fields["force"]


class RerunForm(forms.Form):
    model = forms.CharField(
        required=False,
        max_length=128,
        help_text="Leave empty for the model of the original.",
        widget=TextInputWidget,
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0,
        max_value=2,
        help_text="0 to 2. Leave empty for that of the original.",
        widget=DecimalWidget(attrs={"step": "any"}),
    )
    persist = forms.BooleanField(
        required=False,
        label="Persist the new results, too",
        help_text="The handlers then write to the domain again, beside what the originals made. Otherwise the new"
        " answers are only compared with the old ones.",
        widget=BooleanWidget,
    )


class ApproveForm(forms.Form):
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        help_text="Kept with every decision.",
        widget=TextareaWidget(attrs={"rows": 2}),
    )


class RejectForm(forms.Form):
    note = forms.CharField(
        max_length=MAX_NOTE,
        label="Why",
        help_text="Kept with every decision. Rejected answers are not asked for again; rerun the calls for that.",
        widget=TextareaWidget(attrs={"rows": 2}),
    )
