"""The form that `/design/` shows."""

from __future__ import annotations

from django import forms


class SpecimenForm(forms.Form):
    """One field of each kind; bound without data, it shows how a refusal looks."""

    title = forms.CharField(max_length=80, help_text="What the trainee reads in the list.")
    story = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))
    role = forms.ChoiceField(choices=[("trainee", "Trainee"), ("instructor", "Instructor")])
    due = forms.DateTimeField(required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    is_open = forms.BooleanField(label="Open to every trainee", required=False)
