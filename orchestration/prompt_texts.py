"""How a text that an operator wrote replaces what a prompt section's code says, and what may stand in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from orchestration.errors import PromptError
from orchestration.prompts import PromptSection, as_data
from orchestration.registry import services

CODE = "code"
"""`{code}` in a text stands for what the section's code says."""
KNOWN_FOR_SECONDS = 1.0
"""A process asks the database for the texts at most this often."""


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


def placeholders(text: str) -> set[str]:
    """The names in braces; ValueError for what is no plain `{name}`."""
    names = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise ValueError(f"{{{name}}} is no plain name; write {{{{ and }}}} for braces")
        names.add(name)
    return names


def text_faults(section: type[PromptSection], text: str) -> list[str]:
    """Why a prompt could not be rendered with this text, one sentence each; empty when it can."""
    if not text.strip():
        return ["The text is empty."]
    try:
        names = placeholders(text)
    except ValueError as error:
        return [f"The braces are not right: {error}."]
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


_known: tuple[float, EditedTexts] | None = None


def known_texts() -> EditedTexts | None:
    """What was loaded less than KNOWN_FOR_SECONDS ago; None when it is time to ask again."""
    known = _known
    return known[1] if known is not None and time.monotonic() - known[0] < KNOWN_FOR_SECONDS else None


def load_texts(read: Callable[[], EditedTexts]) -> EditedTexts:
    """Ask the database with `read`, and remember the answer."""
    global _known
    texts = read()
    _known = (time.monotonic(), texts)
    return texts


def forget_texts() -> None:
    """The next prompt asks the database again."""
    global _known
    _known = None
