"""Texts by operators that replace what a prompt section's code says: their placeholders and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from django.core.exceptions import ValidationError

from orchestration.components.identity import PROMPTS
from orchestration.components.prompts import PromptSection, as_data
from orchestration.components.registry import registry_for, services
from orchestration.errors import IdentityError, PromptError

CODE = "code"
"""`{code}` in a text stands for what the section's code says."""


@dataclass(frozen=True, slots=True)
class EditedText:
    """A version of a text with its placeholders."""

    version: int
    text: str

    def fill(self, code: str | None, context: Mapping[str, Any]) -> str:
        """The text for one call; context values are delimited data. PromptError names what is missing."""
        names = placeholders(self.text) - {CODE}
        missing = sorted(names - set(context))
        if missing:
            raise PromptError(f"A prompt text needs {', '.join(missing)}, which this call's context does not have.")
        values = {name: as_data(str(context[name]), name) for name in names}
        return self.text.format_map({CODE: code or "", **values})


EditedTexts = Mapping[tuple[str, str], EditedText]
"""By (identity of the section, `instruction` or `message`)."""


def edited_texts(stored: Mapping[tuple[str, str], tuple[int, str]]) -> EditedTexts:
    """The texts as the renderer takes them, of version and text as they are stored."""
    return {key: EditedText(version, text) for key, (version, text) in stored.items()}


def placeholders(text: str) -> set[str]:
    """The names in braces; ValueError for anything but a plain `{name}`."""
    names = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise ValueError(f"{{{name}}} is not a plain name; write {{{{ and }}}} for braces")
        names.add(name)
    return names


def check_text(identity: str, text: str) -> None:
    """ValidationError, by field, when a prompt could not be rendered with this text in the section `identity`."""
    try:
        section = registry_for(PROMPTS).try_get(identity) if identity else None
    except IdentityError:  # a row, or a cell of a file, that is not an identity at all
        section = None
    if section is None:
        raise ValidationError({"section": f"No prompt section is registered as {identity!r}."})
    faults = text_faults(section, text)
    if faults:
        raise ValidationError({"text": faults})


def text_faults(section: type[PromptSection], text: str) -> list[str]:
    """Why a prompt could not be rendered with this text, one sentence each; empty when it can."""
    if not text.strip():
        return ["The text is empty."]
    try:
        names = placeholders(text)
    except ValueError as error:
        return [f"The braces are wrong: {error}."]
    unknown = sorted(names - known_names(section))
    if not unknown:
        return []
    known = ", ".join(f"{{{name}}}" for name in sorted(known_names(section)))
    return [f"There is no {', '.join(f'{{{name}}}' for name in unknown)} in every call with this section: {known}."]


def known_names(section: type[PromptSection]) -> set[str]:
    """The placeholders that every call which renders this section can fill."""
    users = [service for service in services.all().values() if section in service.wiring.sections]
    shared = set.intersection(*(set(user.required_context_keys) for user in users)) if users else set()
    return {CODE, "call_id", *section.required_variables, *shared}
