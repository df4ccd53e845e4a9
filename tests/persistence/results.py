"""Stored results whose handler or codec does what the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestration.models import ServiceCallRecord
from orchestration.services import DjangoBaseService
from persistence.testing import stored_result
from tests.seedapp.orca.persist.behaviours import (
    CONDUCT,
    GenerateAsyncDigest,
    GenerateAsyncNote,
    GenerateDigest,
    GenerateLonely,
    GenerateNote,
    GenerateShared,
)


def result_of(service: type[DjangoBaseService], conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    """A pending result of `service`; whoever takes it calls `conduct`."""
    CONDUCT[conduct.__qualname__] = conduct
    context = {"does": conduct.__qualname__, **fields.pop("context", {})}
    data = fields.pop("data", {"text": "hello"})
    return stored_result(service.identity, service.wiring.schema, data, context=context, **fields)


def note(conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    """`conduct(handler, response)` is a plain handler's `persist`."""
    return result_of(GenerateNote, conduct, **fields)


def async_note(conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    """`conduct(handler, response)` is an asynchronous handler's `persist`."""
    return result_of(GenerateAsyncNote, conduct, **fields)


def digest(conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    """`conduct(response, parsed)` is a codec's `persist`."""
    return result_of(GenerateDigest, conduct, **fields)


def async_digest(conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    return result_of(GenerateAsyncDigest, conduct, **fields)


def shared(conduct: Callable[..., Any], **fields: Any) -> ServiceCallRecord:
    """Taken by the handler of `core`."""
    return result_of(GenerateShared, conduct, **fields)


def lonely(**fields: Any) -> ServiceCallRecord:
    """Nothing takes it."""
    return result_of(GenerateLonely, nothing, **fields)


def nothing(*_: Any) -> None:
    """Makes no rows."""
