"""Prompt sections and the plan that renders them into messages."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from orchestration.components.fingerprints import DIGITS, fingerprint
from orchestration.components.identity import DjangoIdentityMixin, Identity
from orchestration.errors import ContentRefused, PromptError
from orchestration.isolation import isolated
from orchestration.types import JsonObject, Message
from orchestration.values.content_parts import TEXT, Content, content_of, media_of, text_of_content

SEPARATOR = "\n\n"
LABEL_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
OPENING_BRACKETS = "<\N{FULLWIDTH LESS-THAN SIGN}\N{SMALL LESS-THAN SIGN}"


class PromptSection(DjangoIdentityMixin):
    """One part of a prompt. Override one or both render methods; both are coroutines and may return None."""

    weight: ClassVar[int] = 100
    """Higher renders earlier; ties keep the order of the plan."""
    required_variables: ClassVar[Sequence[str]] = ()
    """Context keys without which the section cannot render."""
    identity: ClassVar[Identity]
    """Set by `@prompt_section`."""

    async def render_instruction(self, *_: Any, **ctx: Any) -> str | None:
        """What the model must do: part of the developer message. The context arrives as keywords."""
        return None

    async def render_message(self, *_: Any, **ctx: Any) -> str | JsonObject | Sequence[str | JsonObject] | None:
        """What the user says: part of the user message. The context arrives as keywords.

        Text, or a list of texts and of what `image`, `audio` and `file` of `orchestration.content` return.
        """
        return None

    def note(self, **facts: Any) -> None:
        """Store these facts (JSON) about this rendering in the audit, such as how much was left out."""
        vars(self).setdefault("_notes", {}).update(facts)

    @property
    def notes(self) -> JsonObject:
        """What `note` collected."""
        found: JsonObject = vars(self).get("_notes", {})
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """The messages to send, and what the audit keeps about how they came to be."""

    messages: list[Message]
    """At most one `developer` and one `user` message, in this order; never empty."""
    meta: JsonObject
    """`sections`: [{identity, weight, rendered, texts, notes}], in rendering order; `version`: 16 hex digits, the same
    for prompts of the same code and the same texts of operators; `digest`: SHA-256 of the messages.
    `texts`: the versions of the texts that operators wrote, by part; left out when the code said it all.
    `notes`: what the section noted about this rendering; left out when that is nothing."""


class Text(Protocol):
    """What an operator wrote in place of a section's code."""

    @property
    def version(self) -> int: ...

    def fill(self, code: str | None, context: Mapping[str, Any]) -> str: ...


Texts = Mapping[tuple[str, str], Text]
"""By (identity of the section, `instruction` or `message`)."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    section: type[PromptSection]
    instruction: str | None
    message: Content | None
    texts: dict[str, int] = field(default_factory=dict)
    notes: JsonObject = field(default_factory=dict)

    def described(self) -> JsonObject:
        shown: JsonObject = {
            "identity": str(self.section.identity),
            "weight": self.section.weight,
            "rendered": self.instruction is not None or self.message is not None,
        }
        added = {"texts": self.texts, "notes": self.notes}
        return shown | {name: value for name, value in added.items() if value}


async def render_plan(
    sections: Sequence[type[PromptSection]], ctx: dict[str, Any], texts: Texts | None = None
) -> RenderedPrompt:
    """Render sections, each once, by falling weight; `texts` replace what a section's code says.

    Raises PromptError when a variable is missing, a section raises or returns something other than text or None, or
    when nothing at all was rendered. Nothing is rendered unless every section has its variables.
    """
    plan = sorted(dict.fromkeys(sections), key=lambda section: -section.weight)
    _check_variables(plan, ctx)
    rendered = [_edited(await _render(section, ctx), ctx, texts or {}) for section in plan]
    messages = _messages(rendered)
    if not messages:
        names = ", ".join(section.identity.label for section in plan) or "none"
        raise PromptError(f"The prompt is empty: no section rendered anything (sections: {names}).")
    return RenderedPrompt(
        messages=messages,
        meta={
            "sections": [part.described() for part in rendered],
            "version": _version(tuple(map(_code_and_texts, rendered))),
            "digest": digest(messages),
        },
    )


def _code_and_texts(part: _Rendered) -> tuple[str, str, tuple[tuple[str, int], ...]]:
    """Identity and code of a section, and the versions of the texts that replaced what the code says."""
    return str(part.section.identity), fingerprint(part.section), tuple(part.texts.items())


@lru_cache(1024)
def _version(sections: tuple[tuple[str, str, tuple[tuple[str, int], ...]], ...]) -> str:
    """The same for call after call, so it is counted once."""
    parts = [[identity, code, dict(texts)] for identity, code, texts in sections]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:DIGITS]


def digest(messages: Sequence[Message]) -> str:
    """SHA-256 (hex) of the messages as canonical JSON."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def as_data(text: str, label: str) -> str:
    """Untrusted text between `<label>` and `</label>`, unable to close or reopen that tag itself.

    The bracket of anything inside that could pass for the tag becomes `&lt;`; other text stays as it is. `label`:
    1-64 characters of `[A-Za-z0-9_-]`, a letter first; ValueError otherwise.
    """
    if not LABEL_PATTERN.match(label):
        raise ValueError(f"The label {label!r} must be 1-64 characters of A-Z a-z 0-9 _ -, starting with a letter.")
    # Between bracket and label anything but letters, digits and brackets may hide: slash, space, zero-width space.
    lookalike = re.compile(rf"[{OPENING_BRACKETS}](?=[^A-Za-z0-9{OPENING_BRACKETS}]*{label})", re.IGNORECASE)
    return f"<{label}>\n{lookalike.sub('&lt;', text)}\n</{label}>"


def _check_variables(plan: Sequence[type[PromptSection]], ctx: dict[str, Any]) -> None:
    available = ", ".join(sorted(map(str, ctx))) or "none"
    faults = [
        f"{section.identity.label} needs {', '.join(missing)}"
        for section in plan
        if (missing := [name for name in section.required_variables if name not in ctx])
    ]
    if faults:
        raise PromptError(f"Prompt variables are missing: {'; '.join(faults)}. Available: {available}.")


async def _render(section: type[PromptSection], ctx: dict[str, Any]) -> _Rendered:
    with isolated() as run:  # a section is an author's code
        instance = section()
        instruction = await instance.render_instruction(**ctx)
        message = await instance.render_message(**ctx)
    if run.error is not None:
        # The type only: the message of a section's exception may quote the context.
        label, kind = section.identity.label, type(run.error).__name__
        why = f": {run.error}" if isinstance(run.error, ContentRefused) else "."
        raise PromptError(f"The prompt section {label} raised {kind}{why}") from run.error
    return _Rendered(section, _text(section, instruction), _content(section, message), notes=instance.notes)


def _edited(rendered: _Rendered, ctx: dict[str, Any], texts: Texts) -> _Rendered:
    if not texts:
        return rendered
    found = {part: texts.get((str(rendered.section.identity), part)) for part in ("instruction", "message")}
    instruction, message = found["instruction"], found["message"]
    return replace(
        rendered,
        instruction=_text(rendered.section, instruction.fill(rendered.instruction, ctx))
        if instruction
        else rendered.instruction,
        message=_refilled(rendered, message, ctx) if message else rendered.message,
        texts={part: text.version for part, text in found.items() if text},
    )


def _text(section: type[PromptSection], value: object) -> str | None:
    """Blank text counts as nothing."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise PromptError(
            f"The prompt section {section.identity.label} returned {type(value).__name__}; expected text or None."
        )
    return value if value.strip() else None


def _content(section: type[PromptSection], value: object) -> Content | None:
    """Text, or parts; what is not there counts as nothing."""
    if value is None or isinstance(value, str):
        return _text(section, value)
    try:
        return content_of(value, "its message") or None
    except ContentRefused as error:
        raise PromptError(
            f"The prompt section {section.identity.label} returned what cannot be sent: {error}"
        ) from error


def _refilled(rendered: _Rendered, text: Text, ctx: dict[str, Any]) -> Content | None:
    """What an operator wrote in place of a section's text; its other parts follow."""
    code = rendered.message
    filled = _text(rendered.section, text.fill(None if code is None else text_of_content(code), ctx))
    shown = media_of(code)
    return [*([{"part": TEXT, "text": filled}] if filled else []), *shown] if shown else filled


def _messages(rendered: Sequence[_Rendered]) -> list[Message]:
    instructions = SEPARATOR.join(part.instruction for part in rendered if part.instruction is not None)
    said = [part.message for part in rendered if part.message is not None]
    whole = content_of([each for one in said for each in ([one] if isinstance(one, str) else one)], "the message")
    messages: list[Message] = []
    if instructions:
        messages.append({"role": "developer", "content": instructions})
    if whole:
        messages.append({"role": "user", "content": whole})
    return messages
