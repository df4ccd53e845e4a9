"""The forms of the pages. Each form is validated as the API's input, so that the same rules hold for both."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from ninja import Schema
from pydantic import ValidationError

from apps.consensus.api.request_schemas import MAX_CONTEXT, MAX_NOTES, FullReviewIn, RevisionIn
from apps.consensus.models.runs import MAX_IDEA
from orchestration.values.json_bodies import NotReadable, read_json

Input = TypeVar("Input", bound=Schema)
OTHER_BRANCH = {"string_type", "model_type", "model_attributes_type", "dict_type"}
"""Errors of the other kinds of value that a field of the API takes: a form sends one kind only."""


class CheckedForm(forms.Form):
    """`checked` is the API's input once the form is valid; the API's errors are shown at their fields."""

    checked: Any = None

    def content(self) -> dict[str, Any]:
        """The body that the API would get."""
        raise NotImplementedError

    def check_with(self, schema: type[Input]) -> None:
        try:
            self.checked = schema.model_validate(self.content())
        except ValidationError as error:
            for item in error.errors():
                if item["type"] in OTHER_BRANCH:
                    continue
                place = next((str(part) for part in item["loc"] if part in self.fields), None)
                self.add_error(place, self._sentence(place, item))

    def _sentence(self, place: str | None, item: Any) -> str:
        """What is wrong with a field, by its label: `Your idea must have 1 to 10 sentences, it has 11.`"""
        label = str(self.fields[place].label or place.replace("_", " ").capitalize()) if place else "The form"
        match item["type"]:
            case "string_too_long":
                return f"{label} must have at most {item['ctx']['max_length']:,} characters."
            case "string_too_short" | "missing":
                return f"{label} must not be empty."
            case "too_long":
                return f"{label} must have at most {item['ctx']['max_length']:,} lines."
        message = item["msg"].removeprefix("Value error, ").rstrip(".")
        if message.startswith(("must ", "has ", "holds ")):
            return f"{label} {message}."
        return f"{message[:1].upper()}{message[1:]}."


def text_area(rows: int, limit: int, **attributes: str) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "data-limit": limit, **attributes})


def text_or_object(value: str) -> Any:
    """A JSON object when the text is one, else the text."""
    if value.lstrip().startswith("{"):
        try:
            return read_json(value)
        except NotReadable:
            return value
    return value


class IdeaForm(CheckedForm):
    idea = forms.CharField(
        label="Your idea",
        widget=text_area(6, MAX_IDEA, **{"data-sentences": "10"}),
        help_text="1 to 10 sentences, at most 10,000 characters.",
    )
    extra_context = forms.CharField(
        label="Context",
        required=False,
        widget=text_area(4, MAX_CONTEXT),
        help_text="What else the reviewers should know, as text or a JSON object. At most 50,000 characters.",
    )
    priority = forms.ChoiceField(label="Priority", choices=[("normal", "Normal"), ("high", "High")])

    def content(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "idea": data.get("idea", ""),
            "extra_context": text_or_object(data.get("extra_context", "")),
            "priority": data.get("priority", "normal"),
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self.check_with(FullReviewIn)
        return cleaned


class RevisionForm(CheckedForm):
    """Fields of the proposal that are left unchanged do not count as edits."""

    title = forms.CharField(required=False, max_length=500)
    summary = forms.CharField(required=False, widget=text_area(3, MAX_CONTEXT))
    problem_statement = forms.CharField(required=False, widget=text_area(4, MAX_CONTEXT))
    proposed_solution = forms.CharField(required=False, widget=text_area(8, MAX_CONTEXT))
    assumptions = forms.CharField(required=False, widget=text_area(4, MAX_CONTEXT), help_text="One per line.")
    scope_non_goals = forms.CharField(
        label="Out of scope", required=False, widget=text_area(4, MAX_CONTEXT), help_text="One per line."
    )
    edit_notes = forms.CharField(
        label="Why?", required=False, widget=text_area(3, MAX_NOTES), help_text="The reviewers read this, too."
    )

    TEXTS = ("title", "summary", "problem_statement", "proposed_solution")
    LISTS = ("assumptions", "scope_non_goals")

    def __init__(self, data: Any = None, *, proposal: dict[str, Any]) -> None:
        self.proposal = proposal
        initial = {name: proposal.get(name, "") for name in self.TEXTS}
        initial |= {name: "\n".join(proposal.get(name, [])) for name in self.LISTS}
        super().__init__(data, initial=initial)

    def content(self) -> dict[str, Any]:
        data = self.cleaned_data
        edited: dict[str, Any] = {name: plain(data[name]) for name in self.TEXTS}
        edited |= {name: lines(data[name]) for name in self.LISTS}
        changed = {name: value for name, value in edited.items() if value != unplain(self.proposal.get(name))}
        return {"edit_notes": data["edit_notes"], **({"edited_proposal": changed} if changed else {})}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self.check_with(RevisionIn)
        if self.checked is not None and self.checked.edits().is_empty:
            self.add_error(None, "Nothing has been changed. Edit a field, or write in the notes what should change.")
        return cleaned


def plain(text: str) -> str:
    """With line breaks as `\\n`, where a browser sends `\\r\\n`."""
    return text.replace("\r\n", "\n").strip()


def unplain(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value


def lines(text: str) -> list[str]:
    return [line.strip() for line in plain(text).split("\n") if line.strip()]
