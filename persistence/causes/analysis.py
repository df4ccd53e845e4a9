"""From an exception to its cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist
from django.core.exceptions import ValidationError as ModelInvalid
from django.db import Error
from pydantic import ValidationError

from orchestration.clock import database_now
from orchestration.errors import WrittenByNewerVersion
from orchestration.isolation import isolated
from orchestration.models.prepared_sql import Statement
from orchestration.values.described import described, names_of, path_of
from persistence.causes.cause import Cause, Fault, Kind
from persistence.causes.database_errors import MOST_FAULTS, cause_of_database_error, table_of_missing
from persistence.causes.frames import app_frames
from persistence.errors import PersistenceError
from persistence.models.failures import PersistenceFailure

LIMITS = ("max_length", "min_length", "le", "lt", "ge", "gt", "multiple_of", "expected")
"""What a rule of a schema says beside its name; other context of an error may hold the value."""


def cause_of(error: BaseException, handler: str = "") -> Cause:
    """The cause of an error that a handler raised, without any value. Never raises.

    `handler`: the file of the handler's module.
    """
    cause = Cause(exception=_name(error))
    with isolated():  # it reads what foreign classes say of themselves
        cause = _analysed(error)
    with isolated():
        cause = replace(cause, frames=app_frames(error, handler))
    return cause


def noting(call_id: str, handler: str, cause: Cause) -> Statement:
    """The statement that notes why a result was not persisted."""
    stored = cause.as_json()
    return PersistenceFailure.objects.noting(call_id, handler, cause.fingerprint(handler), stored, database_now())


def _name(error: BaseException) -> str:
    return type(error).__qualname__.rpartition("<locals>.")[2]


def _analysed(error: BaseException) -> Cause:
    name = _name(error)
    match error:
        case Error():
            return cause_of_database_error(error, name)
        case ValidationError():
            return Cause(exception=f"{name} of {error.title}", kind=Kind.VALIDATION, faults=tuple(_of_schema(error)))
        case ModelInvalid():
            return Cause(exception=name, kind=Kind.VALIDATION, faults=tuple(_of_model(error)))
        case ObjectDoesNotExist():
            return Cause(exception=name, kind=Kind.MISSING_ROW, table=table_of_missing(error))
        case PersistenceError() | WrittenByNewerVersion():
            return Cause(exception=name, kind=Kind.NOT_ACCEPTED, message=str(error))
        case TimeoutError():
            return Cause(exception=name, kind=Kind.TIMEOUT)
    return Cause(exception=name)


def _of_schema(error: ValidationError) -> Iterator[Fault]:
    names = names_of(error)
    for one in error.errors(include_url=False)[:MOST_FAULTS]:
        said = [f"{limit} {one['ctx'][limit]}" for limit in LIMITS if limit in one.get("ctx", {})]
        rule = f"{one['type']} ({', '.join(said)})" if said else one["type"]
        yield Fault(
            path=path_of(one["loc"], names),
            rule=rule,
            value="" if one["type"] == "missing" else described(one["input"]),
        )


def _of_model(error: ModelInvalid) -> Iterator[Fault]:
    by_field: dict[str, list[Any]] = error.update_error_dict({})
    faults = [(field, one) for field, errors in by_field.items() for one in errors]
    for field, one in faults[:MOST_FAULTS]:
        limit = (one.params or {}).get("limit_value")
        code = one.code or "invalid"
        said = f"{code} (limit {limit})" if isinstance(limit, int | float) else code
        value = (one.params or {}).get("value")
        path = "all" if field == NON_FIELD_ERRORS or not field.isidentifier() else field
        yield Fault(path=path, rule=said, value="" if value is None else described(value))
