"""The forms of a scenario: the case, and what is found in it (vital signs, tests, examinations, images)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from apps.simulation.api.schemas import LONGEST_MINUTES
from apps.simulation.clinical.vitals import VITALS, Vital, vital_named
from apps.simulation.fields import validate_line, validate_text
from apps.simulation.models.case_details import PatientSex
from apps.simulation.models.cases import (
    MAX_ALIASES,
    MAX_FINDINGS,
    MAX_LINES,
    MAX_MODIFIERS,
    SYSTEMS,
    Finding,
    findings_of,
    validate_findings,
    validate_lines,
    validate_modifiers,
)
from apps.trainerlab.models import ScenarioTemplate
from orchestration.values.columns import value_of

IMAGING, EXAM, VITAL = "radiology_result", "exam", "vital"
MEASURED = [("lab_result", "Laboratory"), (EXAM, "Examination"), (VITAL, "Other vital sign")]
KINDS = [("lab_result", "Laboratory"), (IMAGING, "Imaging"), (EXAM, "Examination")]
FLAGS = [(flag, flag.capitalize()) for flag in ("normal", "low", "high", "critical", "abnormal")]
SPARE_FINDINGS = 1
LINES = {
    "accepted_diagnoses": MAX_LINES,
    "treatment_points": MAX_LINES,
    "criteria": MAX_LINES,
    "modifiers": MAX_MODIFIERS,
}
"""The lists of a scenario that are written one item a line, with their longest lengths."""
NOT_IN_KEY = re.compile(r"[^-a-zA-Z0-9_]")
LONGEST_KEY = 64


class FindingForm(forms.Form):
    """A finding; an empty form is skipped."""

    kind = forms.ChoiceField(choices=KINDS)
    key = forms.CharField(label="Name", required=False, max_length=255, validators=[validate_line])
    aliases = forms.CharField(label="Other names", required=False, max_length=2000, validators=[validate_line])
    value = forms.CharField(required=False, max_length=4000, validators=[validate_text])
    unit = forms.CharField(required=False, max_length=32, validators=[validate_line])
    reference_range = forms.CharField(label="Reference", required=False, max_length=64, validators=[validate_line])
    flag = forms.ChoiceField(choices=FLAGS, initial="normal", required=False)
    system = forms.ChoiceField(
        label="Body system", choices=[("", "Body system"), *((name, name) for name in SYSTEMS)], required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.initial.get("aliases"), list):
            self.initial["aliases"] = ", ".join(self.initial["aliases"])
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("aria-label", field.label or name.replace("_", " ").capitalize())
        self.fields["aliases"].widget.attrs["placeholder"] = "Other names, separated by commas"

    def clean_aliases(self) -> list[str]:
        names = [name.strip() for name in re.split(r"[,;]", self.cleaned_data["aliases"])]
        aliases = list(dict.fromkeys(name for name in names if name))
        if len(aliases) > MAX_ALIASES:
            raise ValidationError(f"A finding may have at most {MAX_ALIASES} other names.")
        if any(len(name) > 100 for name in aliases):
            raise ValidationError("Each other name may have at most 100 characters. Separate names with commas.")
        return aliases

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("key")) != bool(cleaned.get("value")) and not self.errors:
            raise ValidationError("A finding needs both a name and a value. To leave it out, clear both.")
        return cleaned

    @property
    def finding(self) -> Finding | None:
        """Of a valid form."""
        if not self.cleaned_data.get("key"):
            return None
        cleaned = {name: value for name, value in self.cleaned_data.items() if name in Finding.model_fields}
        cleaned["flag"] = cleaned.get("flag") or "normal"
        if cleaned["kind"] != EXAM:
            cleaned["system"] = ""
        return Finding(**cleaned)


class MeasuredForm(FindingForm):
    """A row of the table of findings: tests of the laboratory, and what an examination finds."""

    kind = forms.ChoiceField(choices=MEASURED, initial="lab_result")


class ImagingForm(FindingForm):
    """A report of an image, which is a text."""

    kind = forms.ChoiceField(choices=[(IMAGING, "Imaging")], widget=forms.HiddenInput, initial=IMAGING)
    key = forms.CharField(label="Image", required=False, max_length=255, validators=[validate_line])
    value = forms.CharField(
        label="Report",
        required=False,
        max_length=4000,
        validators=[validate_text],
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    unit = reference_range = system = None  # type: ignore[assignment]  # an image has none


def formset_of(form: type[forms.Form]) -> Any:
    return forms.formset_factory(form, extra=SPARE_FINDINGS, max_num=MAX_FINDINGS, validate_max=True)


MeasuredFormSet = formset_of(MeasuredForm)
ImagingFormSet = formset_of(ImagingForm)


class VitalsForm(forms.Form):
    """The vital signs at the start, by code; an empty one is unknown until it is measured."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for vital in VITALS:
            self.fields[vital.code] = forms.CharField(label=vital.label, required=False, max_length=20)
            self.fields[vital.code].widget.attrs |= {
                "placeholder": vital.usual,
                "inputmode": "text",
                "autocomplete": "off",
            }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for vital in VITALS:
            value = cleaned.get(vital.code, "").strip()
            try:
                cleaned[vital.code] = vital.finding(value) if value else None
            except ValueError as error:
                self.add_error(vital.code, str(error))
        return cleaned

    def rows(self) -> list[tuple[Vital, Any]]:
        """Each vital sign with its field."""
        return [(vital, self[vital.code]) for vital in VITALS]


class ScenarioForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A scenario without what is found, which has forms of its own."""

    minutes = forms.IntegerField(
        label="Time limit in minutes",
        required=False,
        min_value=1,
        max_value=LONGEST_MINUTES,
        help_text="Leave empty for no limit.",
    )
    key = forms.CharField(
        label="Short name",
        required=False,
        max_length=LONGEST_KEY,
        help_text="Imports match by it. Empty: from the title.",
    )

    class Meta:
        model = ScenarioTemplate
        fields = (
            "title",
            "summary",
            "is_open",
            "holds_feedback",
            "key",
            "sim_patient_full_name",
            "patient_age",
            "patient_sex",
            "patient_occupation",
            "chief_complaint",
            "setting",
            "task",
            "scenario",
            "instructions",
            "diagnosis",
        )
        labels = {
            "sim_patient_full_name": "Name",
            "chief_complaint": "Reason for the visit",
            "scenario": "What happened",
            "patient_sex": "Sex",
            "instructions": "Manner",
            "is_open": "Open to every trainee",
            "holds_feedback": "Feedback waits for an instructor",
        }
        help_texts = {
            "summary": "What trainees read before they choose it. No diagnosis here.",
            "chief_complaint": "In the patient's words: belly pain since last night.",
            "patient_age": "",
            "setting": "Where and when: emergency department, Saturday evening.",
            "task": "What the trainee should do. The briefing shows it.",
            "scenario": "As the patient knows it: since when, where, what helps, medication, habits.",
            "instructions": "Mood, manner of speaking, what is told only when asked twice.",
            "is_open": "Trainees may start it without an assignment.",
            "holds_feedback": "Trainees see it when an instructor has read, edited and released it.",
        }
        widgets = {
            "summary": forms.Textarea(attrs={"rows": 2}),
            "task": forms.Textarea(attrs={"rows": 2}),
            "scenario": forms.Textarea(attrs={"rows": 8}),
            "instructions": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.instance.time_limit
        self.initial.setdefault("minutes", None if limit is None else int(limit.total_seconds() // 60))
        labels = {"accepted_diagnoses": "Also counts as the diagnosis", "treatment_points": "A correct plan includes",
                  "criteria": "Criteria", "modifiers": "What makes the patient difficult"}  # fmt: skip
        told = {"criteria": "What the feedback assesses, such as “Asks about allergies”. "}
        self.fields["patient_sex"].choices = [("", "Not stated"), *PatientSex.choices]  # type: ignore[attr-defined]
        for name, most in LINES.items():
            self.fields[name] = forms.CharField(
                label=labels[name],
                required=False,
                widget=forms.Textarea(attrs={"rows": 3}),
                help_text=f"{told.get(name, '')}One per line, at most {most}.",
                validators=[validate_text],
            )
            self.initial[name] = "\n".join(value_of(self.instance, name))

    def clean_key(self) -> str:
        """As it was written, or from the title; a number is added to a made one that is taken."""
        key: str = self.cleaned_data["key"].strip()
        others = ScenarioTemplate.objects.exclude(pk=self.instance.pk)
        if key:
            if NOT_IN_KEY.search(key):
                raise ValidationError("Write letters, digits, hyphens and underscores only.")
            if others.filter(key=key).exists():
                raise ValidationError("Another scenario has this short name. Choose another one.")
            return key
        return free_key(slugify(self.cleaned_data.get("title", "")) or "scenario")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in LINES:
            cleaned[name] = [line.strip() for line in cleaned.get(name, "").splitlines() if line.strip()]
            try:
                (validate_modifiers if name == "modifiers" else validate_lines)(cleaned[name])
            except ValidationError as error:
                self.add_error(name, error)
        return cleaned

    def fill_in(self, findings: Iterable[Finding]) -> None:
        """Set time limit, lists and findings on the unsaved scenario; ValidationError for invalid findings."""
        minutes = self.cleaned_data.get("minutes")
        self.instance.time_limit = None if minutes is None else timedelta(minutes=minutes)
        for name in LINES:
            setattr(self.instance, name, self.cleaned_data[name])
        self.instance.findings = [finding.model_dump() for finding in findings]
        validate_findings(self.instance.findings)


def free_key(wanted: str) -> str:
    """A short name that no scenario has: `wanted`, or with a number."""
    taken = set(
        ScenarioTemplate.objects.filter(key__startswith=wanted[: LONGEST_KEY - 5]).values_list("key", flat=True)
    )
    names = (f"{wanted[: LONGEST_KEY - 5]}-{number}" for number in range(2, 10_000))
    return next(name for name in (wanted[:LONGEST_KEY], *names) if name not in taken)


class CaseForms:
    """All forms of a scenario together: what is shown, and what is saved."""

    def __init__(self, scenario: ScenarioTemplate, data: Any = None) -> None:
        findings = findings_of(scenario.findings)
        monitored = {str(vital.code): found for found in findings if (vital := monitor_sign(found))}
        measured = [found for found in findings if found.kind != IMAGING and not monitor_sign(found)]
        images = [found for found in findings if found.kind == IMAGING]
        self._monitored = monitored
        self.form = ScenarioForm(data, instance=scenario)
        self.vitals = VitalsForm(
            data, prefix="vitals", initial={code: found.value for code, found in monitored.items()}
        )
        self.measured = MeasuredFormSet(data, prefix="findings", initial=[found.model_dump() for found in measured])
        self.imaging = ImagingFormSet(data, prefix="imaging", initial=[found.model_dump() for found in images])
        self._parts = (self.form, self.vitals, self.measured, self.imaging)

    def is_valid(self) -> bool:
        """Every part is looked at, so that all complaints are shown at once."""
        return not sum(not part.is_valid() for part in self._parts)

    @property
    def is_refused(self) -> bool:
        return any(part.is_bound and not part.is_valid() for part in self._parts)

    def save(self) -> ScenarioTemplate:
        """ValidationError for findings that cannot be saved together."""
        rows = [found for form in (*self.measured, *self.imaging) if (found := form.finding)]
        self.form.fill_in([*self._vital_findings(), *rows])
        saved: ScenarioTemplate = self.form.save()
        return saved

    def _vital_findings(self) -> list[Finding]:
        """One that was not changed keeps its own reference range and names: a child's, for example."""
        found = []
        for code, written in self.vitals.cleaned_data.items():
            known = self._monitored.get(code)
            if written is not None:
                found.append(known if known is not None and known.value == written.value else written)
        return found


def monitor_sign(finding: Finding) -> Vital | None:
    """The vital sign of the monitor that a finding is."""
    return vital_named(finding.key) if finding.kind == VITAL else None
