"""The forms that ask for the options of an operation."""

from __future__ import annotations

from django import forms

from orchestration.theme.parts import (
    BooleanWidget,
    DecimalWidget,
    SelectWidget,
    TextInputWidget,
)
from persistence.reprocessing.reports import Policy

POLICIES = (
    (Policy.KEEP.value, "keep: leave what was persisted before alone"),
    (Policy.UPDATE.value, "update: let the handler bring what it made up to date"),
    (Policy.RECREATE.value, "recreate: remove what the call made, and persist it again"),
)


class ReprocessForm(forms.Form):
    policy = forms.ChoiceField(
        choices=POLICIES,
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
