"""One answer from the events of a stream of `streamGenerateContent`, each of which has the shape of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.providers.wire import as_object, as_objects
from orchestration.types import JsonObject

OF_A_TEXT = frozenset({"text", "thought", "thoughtSignature"})
"""Fields of a part that is a piece of a text."""


@dataclass(slots=True)
class _Part:
    fields: JsonObject
    texts: list[str]
    """Empty for a part that is not text."""

    def goes_on_with(self, part: JsonObject) -> bool:
        """Whether a part is the next piece of this one's text; what is signed is whole."""
        return (
            bool(self.texts)
            and isinstance(part.get("text"), str)
            and part.keys() <= OF_A_TEXT
            and "thoughtSignature" not in self.fields
            and part.get("thought") == self.fields.get("thought")
        )

    def value(self) -> JsonObject:
        return self.fields | {"text": "".join(self.texts)} if self.texts else self.fields


@dataclass(slots=True)
class _Candidate:
    fields: JsonObject = field(default_factory=dict)
    content: JsonObject = field(default_factory=dict)
    parts: list[_Part] = field(default_factory=list)

    def feed(self, candidate: JsonObject) -> None:
        content = as_object(candidate.get("content"))
        self.fields |= {name: value for name, value in candidate.items() if name != "content" and value is not None}
        self.content |= {name: value for name, value in content.items() if name != "parts"}
        for part in as_objects(content.get("parts")):
            if self.parts and self.parts[-1].goes_on_with(part):
                self.parts[-1].texts.append(part["text"])
                self.parts[-1].fields |= part
            else:
                text = part.get("text")
                is_text = isinstance(text, str) and part.keys() <= OF_A_TEXT
                self.parts.append(_Part(dict(part), [text] if is_text else []))  # type: ignore[list-item]

    def value(self) -> JsonObject:
        if not self.content and not self.parts:
            return self.fields
        return self.fields | {"content": self.content | {"parts": [part.value() for part in self.parts]}}


@dataclass(slots=True)
class ContentAssembly:
    """The answer so far."""

    usage: JsonObject | None = None
    _fields: JsonObject = field(default_factory=dict)
    _candidates: dict[int, _Candidate] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Every candidate has a reason for its end; or the prompt was stopped, and there will be none."""
        ended = [candidate.fields.get("finishReason") for candidate in self._candidates.values()]
        return all(ended) if ended else bool(as_object(self._fields.get("promptFeedback")).get("blockReason"))

    def feed(self, event: JsonObject) -> None:
        """Add an event. Its counts are of all that came so far."""
        for name, value in event.items():
            if name not in {"candidates", "usageMetadata"} and value is not None:
                self._fields[name] = value
        counted = {name: value for name, value in as_object(event.get("usageMetadata")).items() if value is not None}
        if counted:
            self.usage = (self.usage or {}) | counted
        for candidate in as_objects(event.get("candidates")):
            self._candidates.setdefault(_index(candidate.get("index")), _Candidate()).feed(candidate)

    def answer(self) -> JsonObject:
        """As `generateContent` would have answered, or as far as it came."""
        candidates = [candidate.value() for _, candidate in sorted(self._candidates.items())]
        found = ({"candidates": candidates} if candidates else {}) | self._fields
        return found if self.usage is None else found | {"usageMetadata": self.usage}


def _index(value: Any) -> int:
    """Its servers leave out what is 0."""
    return value if isinstance(value, int) else 0
