"""From a failed call to its cause: what is known of its code, and facts about the last answer, without content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from orchestration.causes.known import Known, Place, known
from orchestration.components.registry import schemas
from orchestration.models import ServiceCallRecord
from orchestration.values.described import names_in, path_of

PROVIDERS_WORDS = re.compile(r"\(HTTP (\d{3})((?:, [\w.-]{1,64})*)\)\Z", re.ASCII)
"""How the message of a provider's error ends (orchestration/providers/errors.py): names and numbers, no text."""
FAULT = re.compile(r"(?:\A|; )([^:;]+): ")
"""A place in the message of an invalid answer: `lines.3.note: Field required; …`."""
PARAMETER = re.compile(r"[A-Za-z_][\w.\[\]-]{0,127}\Z", re.ASCII)
TOKENS = re.compile(r"\b(\d{1,3}(?:,\d{3})+|\d{3,9}) tokens\b", re.ASCII)
MOST_FIELDS = 5
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCause:
    """Why a call failed, without content."""

    code: str
    known: Known
    status: int | None = None
    """Of HTTP."""
    words: tuple[str, ...] = ()
    """Names by which the provider calls it: `invalid_request_error`, `context_length_exceeded`."""
    parameter: str = ""
    """Of the request, as the provider names it."""
    tokens: tuple[int, ...] = ()
    """Numbers of tokens in the provider's words: what the model takes, and what was sent."""
    fields: tuple[str, ...] = ()
    """Of the answer, that its schema does not accept."""

    @property
    def headline(self) -> str:
        """`The provider refused the request: HTTP 400, context_length_exceeded`."""
        details = [*((f"HTTP {self.status}",) if self.status else ()), *self.words, *self.fields]
        return f"{self.known.said}: {', '.join(details)}" if details else self.known.said

    @property
    def remedy(self) -> str:
        return self.known.remedy

    @property
    def places(self) -> tuple[Place, ...]:
        return self.known.places

    def facts(self) -> Iterator[tuple[str, str]]:
        """(label, value)."""
        yield "Error code", self.code
        if self.status:
            yield "HTTP status", _status(self.status)
        if self.words:
            yield "The provider calls it", ", ".join(self.words)
        if self.parameter:
            yield "Parameter", self.parameter
        if self.tokens:
            yield "Tokens in its words", " and ".join(f"{number:,}" for number in self.tokens)
        if self.fields:
            yield "Fields of the answer", ", ".join(self.fields)


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)


def cause_of_failure(call: ServiceCallRecord, body: Any = None) -> FailureCause:
    """The cause of a call's last failure. `body`: the error of the provider as it was stored, where that was read."""
    said = PROVIDERS_WORDS.search(call.error or "")
    return FailureCause(
        code=call.error_code,
        known=known(call.error_code),
        status=int(said[1]) if said else None,
        words=tuple(name for name in said[2].split(", ") if name) if said else (),
        parameter=_parameter(body),
        tokens=_tokens(body),
        fields=tuple(fields_of(call)) if known(call.error_code).differs == "fields" else (),
    )


def fields_of(call: ServiceCallRecord) -> list[str]:
    """The paths in the answer that the message of an invalid one names; those that begin with no field of the schema
    were made up by the model, and are left out."""
    schema = schemas.try_get(call.schema_identity) if call.schema_identity else None
    if schema is None:
        return []
    names, found = names_in(schema), []
    for place in FAULT.findall(call.error or ""):
        parts = tuple(int(part) if part.isdecimal() else part for part in place.split("."))
        if parts[0] in schema.model_fields:
            found.append(path_of(parts, names))
    return list(dict.fromkeys(found))[:MOST_FIELDS]


def normalized(message: str) -> str:
    """The message without its numbers: by it, failures are told apart that are mended separately."""
    return NUMBER.sub("#", message)


def _parameter(body: Any) -> str:
    found = body.get("param") if isinstance(body, dict) else None
    return found if isinstance(found, str) and PARAMETER.fullmatch(found) else ""


def _tokens(body: Any) -> tuple[int, ...]:
    message = body.get("message") if isinstance(body, dict) else None
    numbers = TOKENS.findall(message) if isinstance(message, str) else []
    return tuple(int(number.replace(",", "")) for number in numbers[:2])
