"""Upgrades of stored results to the current version of their schema, and reports of which versions are stored.

    @upgrade(PatientReply, from_version=1)
    def add_tone(data):
        return {**data, "tone": "neutral"}

An upgrade turns the data of one version into that of the next. The stored result itself is never rewritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from pydantic import ValidationError

from orchestration.components.registry import schemas, where
from orchestration.components.schemas import OutputSchema
from orchestration.models import ServiceCallRecord
from orchestration.models.batches import in_batches
from orchestration.models.states import Status
from orchestration.types import ExecutionMetadata, JsonObject, Response
from persistence import log
from persistence.errors import NotUpgradable, UpgradeDefinitionError
from persistence.foreign_code import attempt
from persistence.handlers.registry import all_handlers
from persistence.models import PersistedChunk

Upgrade = Callable[[JsonObject], JsonObject]
READ_AT_ONCE = 500
WINDOW = 50_000

_steps: dict[tuple[str, int], Upgrade] = {}


def upgrade(schema: type[OutputSchema], *, from_version: int) -> Callable[[Upgrade], Upgrade]:
    """Register a step from `from_version` to the next version of a schema.

    UpgradeDefinitionError when the version is not below the schema's, or another function has the same step.
    """
    identity = str(schema.identity)

    def decorate(function: Upgrade) -> Upgrade:
        if not 1 <= from_version < schema.version:
            raise UpgradeDefinitionError(
                f"{function.__module__}.{function.__qualname__} upgrades {identity} from version {from_version}, but "
                f"{where(schema)} is at version {schema.version}: raise it with @schema(version={from_version + 1})."
            )
        other = _steps.get((identity, from_version))
        if other is not None and (other.__module__, other.__qualname__) != (function.__module__, function.__qualname__):
            raise UpgradeDefinitionError(
                f"Two upgrades of {identity} from version {from_version}: {other.__module__}.{other.__qualname__} "
                f"and {function.__module__}.{function.__qualname__}. Remove one."
            )
        _steps[identity, from_version] = function
        return function

    return decorate


def forget_upgrades(schema: type[OutputSchema]) -> None:
    """Remove the steps of a schema; for tests."""
    for key in [key for key in _steps if key[0] == str(schema.identity)]:
        del _steps[key]


def missing_steps(schema: type[OutputSchema], version: int) -> list[int]:
    """The versions between a stored result and the schema from which no upgrade starts."""
    return [step for step in range(version, schema.version) if (str(schema.identity), step) not in _steps]


def upgraded(response: Response) -> Response:
    """The response with its data in the schema's present version; itself when it is that already.

    Raises NotUpgradable when a step is missing or the result is newer than the code, and what a step raises.
    """
    meta = response.execution_metadata
    schema = _schema_to_upgrade_to(meta)
    if schema is None:
        return response
    data = upgrade_data(schema, meta.schema_version, response.structured_data or {})
    return response.model_copy(
        update={
            "structured_data": data,
            "execution_metadata": meta.model_copy(
                update={"schema_version": schema.version, "schema_fingerprint": schema.strict.fingerprint}
            ),
        }
    ).attach(response.related_object)


def is_current(response: Response) -> bool:
    """Whether `upgraded` gives back the response itself."""
    return _schema_to_upgrade_to(response.execution_metadata) is None


def _schema_to_upgrade_to(meta: ExecutionMetadata) -> type[OutputSchema] | None:
    schema: type[OutputSchema] | None = schemas.try_get(meta.schema_identity) if meta.schema_identity else None
    if schema is None or not meta.schema_version or meta.schema_version == schema.version:
        return None
    return schema


def upgrade_data(schema: type[OutputSchema], version: int, data: JsonObject) -> JsonObject:
    """Carry the data of one version to the schema's; NotUpgradable says which step is missing."""
    if version > schema.version:
        raise NotUpgradable(f"It was stored by version {version} of {schema.identity}; this code has {schema.version}.")
    missing = missing_steps(schema, version)
    if missing:
        raise NotUpgradable(
            f"{schema.identity} has no upgrade from version {', '.join(map(str, missing))}: write one with @upgrade."
        )
    for step in range(version, schema.version):
        data = _steps[str(schema.identity), step](dict(data))
        if not isinstance(data, dict):
            raise NotUpgradable(f"The upgrade of {schema.identity} from version {step} returned no dict.")
    return data


# --- reports --------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Coverage:
    """Of all stored results of one schema: how many are current, upgradable, and not, and why not."""

    schema: str
    version: int
    versions: dict[int, int] = field(default_factory=dict)
    """Stored results by version."""
    current: int = 0
    upgradable: int = 0
    not_upgradable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """A call id per reason."""

    @property
    def total(self) -> int:
        return self.current + self.upgradable + self.not_upgradable


def schema_coverage(schema: type[OutputSchema], *, newest: int | None = None) -> Coverage:
    """Try every stored result of a schema: carry it to the present version and validate it; reads only.

    `newest`: only so many, among the newest WINDOW calls.
    """
    report = Coverage(schema=str(schema.identity), version=schema.version)
    for call_id, version, result in _stored(schema, newest):
        report.versions[version] = report.versions.get(version, 0) + 1
        why = _fault(schema, version, result)
        if why:
            report.not_upgradable += 1
            report.reasons[why] += 1
            report.examples.setdefault(why, call_id)
        elif version == schema.version:
            report.current += 1
        else:
            report.upgradable += 1
    return report


def _stored(schema: type[OutputSchema], newest: int | None) -> Iterator[tuple[str, int, Any]]:
    """Some at a time, and no cursor stays open in between: upgrades are anybody's code, which may write, or raise."""
    rows: QuerySet[ServiceCallRecord] = ServiceCallRecord.objects.in_status(Status.SUCCEEDED).filter(
        schema_identity=str(schema.identity), result__isnull=False
    )
    if newest is not None:
        listed = _newest(rows, "created_at", WINDOW).order_by("-created_at").values_list("pk", flat=True)[:newest]
        rows = rows.filter(pk__in=list(listed))
    stored = rows.values_list("pk", "schema_version", "result")
    for some in in_batches(stored, READ_AT_ONCE, key=itemgetter(0)):
        yield from some


def _newest(rows: QuerySet[Any], column: str, count: int) -> QuerySet[Any]:
    """Those among the newest `count` rows of their table, by an indexed time."""
    times = rows.model._default_manager.order_by(f"-{column}").values_list(column, flat=True)
    oldest = next(iter(times[count : count + 1]), None)
    return rows.filter(**{f"{column}__gte": oldest}) if oldest is not None else rows


def _fault(schema: type[OutputSchema], version: int, result: Any) -> str:
    """Why a stored result does not fit the schema as it is now; empty when it does. Never with values."""
    try:
        upgraded, failure = attempt(
            lambda: upgrade_data(schema, version or schema.version, result["structured_data"]), raises=(NotUpgradable,)
        )
        if not failure:
            schema.model_validate(upgraded)
    except (NotUpgradable, ValidationError) as error:
        return log.explain(error)
    return failure and f"an upgrade raised {failure}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerVersion:
    """What one version of one handler persisted."""

    handler: str
    fingerprint: str
    is_current: bool
    chunks: int
    first: Any
    last: Any


def handler_versions(*, outdated_only: bool = False, newest: int | None = None) -> list[HandlerVersion]:
    """Chunks by handler and fingerprint of its source, newest first; `outdated_only`: what older code persisted.

    `newest`: only of so many chunks.
    """
    present = {str(identity): handler.fingerprint for identity, handler in all_handlers().items()}
    chunks: QuerySet[PersistedChunk] = PersistedChunk.objects.all()
    rows = (
        (chunks if newest is None else _newest(chunks, "persisted_at", newest))
        .order_by()
        .values_list("handler_identity", "handler_fingerprint")
        .annotate(chunks=Count("pk"), first=Min("persisted_at"), last=Max("persisted_at"))
        .order_by("-last")
    )
    found = [
        HandlerVersion(
            handler=identity,
            fingerprint=mark,
            is_current=present.get(identity) == mark,
            chunks=count,
            first=first,
            last=last,
        )
        for identity, mark, count, first, last in rows
    ]
    return [row for row in found if not (outdated_only and row.is_current)]


def persisted_by_older_code() -> QuerySet[PersistedChunk]:
    """The chunks of handlers that are registered, whose source is another one now."""
    outdated = PersistedChunk.objects.none()
    for identity, handler in all_handlers().items():
        outdated = outdated | PersistedChunk.objects.filter(handler_identity=str(identity)).exclude(
            handler_fingerprint=handler.fingerprint
        )
    return outdated
