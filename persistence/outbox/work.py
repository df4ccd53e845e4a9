"""One stored result on its way through the drain."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import DEFAULT_DB_ALIAS

from orchestration.isolation import isolated
from orchestration.models import ServiceCallRecord
from orchestration.types import Response
from persistence.handlers.adapters import Consumer, Consumers
from persistence.handlers.approval import Declared
from persistence.handlers.schema_upgrades import upgraded
from persistence.models.approval import Hold
from persistence.outbox.outbox_row import OutboxRow
from persistence.outbox.outcomes import Outcome
from persistence.tracking.object_links import Touched


@dataclass(slots=True, kw_only=True)
class Work:
    """One record while it is drained."""

    row: OutboxRow
    response: Response | None = None
    consumer: Consumer | None = None
    unreadable: Exception | None = None
    """Why there is no response."""
    touched: Touched = field(default_factory=Touched)
    parts: dict[str, Touched] = field(default_factory=dict)
    """By key of the part; the whole result under the empty key."""
    error: str = ""
    """Why parts are missing."""
    declared: tuple[Declared, ...] = ()
    """What is declared about approving it."""
    is_approved: bool = False
    """Whoever has to be asked was."""
    held: Hold | None = None
    """What it waits for, when the drain held it back."""
    outcome: Outcome = Outcome.NOT_DUE
    committed: bool = False
    tried: bool = False
    """Its handler ran in a group that was undone: the response, and what hangs on the record, may be changed."""

    @property
    def record(self) -> ServiceCallRecord:
        return self.row.record

    @property
    def call_id(self) -> str:
        call_id: str = self.row.record.id
        return call_id

    @property
    def component(self) -> str:
        return self.consumer.identity if self.consumer else "none"

    @property
    def may_wait(self) -> bool:
        """Whether it has to be found out if a person must see it before anything is written."""
        return bool(self.declared) and not self.is_approved

    @property
    def is_async(self) -> bool:
        return self.consumer is not None and self.consumer.component.is_async

    @classmethod
    def of(cls, record: ServiceCallRecord, consumers: Consumers) -> Work:
        """The record with what can be known before it is locked: a stored result does not change."""
        work = cls(row=OutboxRow(record))
        with isolated() as reading:  # an upgrade is an author's code; what it raises is charged
            work.response = response_of(record)
            work.consumer = consumers.of(record, work.response)
            work.declared = consumers.declared(record, work.response)
        work.unreadable = reading.error
        return work

    def known(self) -> tuple[Consumer, Response]:
        """Who takes it, and what; ValueError when that is not known."""
        if self.consumer is None or self.response is None:
            raise ValueError(f"Nobody takes the result of call {self.record.pk}.")
        return self.consumer, self.response

    def afresh(self, consumers: Consumers) -> Work:
        """This one, as it is stored, if it was tried before."""
        record = ServiceCallRecord.objects.filter(pk=self.record.pk).first() if self.tried else None
        return self if record is None else Work.of(record, consumers)


NEEDED = frozenset(
    {
        "id",
        "service_identity",
        "namespace",
        "context",
        "result",
        "queue",
        "schema_identity",
        "correlation_id",
        "ordering_key",
        "related_content_type_id",
        "related_object_id",
        "domain_persist_state",
        "domain_persist_attempts",
        "domain_persist_error",
    }
)
"""What a drain looks at. Its prompt, options and times are left in the database: they take longer to read than all
this, and a record has them read when it is asked."""
COLUMNS = [field.attname for field in ServiceCallRecord._meta.concrete_fields if field.attname in NEEDED]
"""In the order that a model is made from."""


def read_records(call_ids: Sequence[str]) -> dict[str, ServiceCallRecord]:
    """The calls that are there, by id, with what a drain needs of them."""
    rows = ServiceCallRecord.objects.filter(pk__in=call_ids).order_by().values_list(*COLUMNS)
    records = [ServiceCallRecord.from_db(DEFAULT_DB_ALIAS, NEEDED, row) for row in rows]
    return {record.pk: record for record in records}


def response_of(record: ServiceCallRecord) -> Response:
    """The stored result in the schema's present version, without its related object: that is looked up when it is
    persisted."""
    return upgraded(record.stored_response())


def source_of(consumer: Consumer | None) -> str:
    """The file of the handler or codec, to find its line in a traceback."""
    if consumer is None:
        return ""
    try:
        return inspect.getsourcefile(consumer.component) or ""
    except TypeError:
        return ""
