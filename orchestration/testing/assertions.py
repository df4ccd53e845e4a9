"""Assertions about what calls became. Their messages say why a call did not get there, without prompts or answers."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from orchestration.conf import clients_settings
from orchestration.engine.execution.result_takers import objects_made
from orchestration.errors import PaidRequestsForbidden
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.providers.credentials import address_of
from orchestration.providers.http.addresses import is_loopback
from orchestration.providers.simulator.provider import SimulatorProvider
from orchestration.services import ServiceCall

ModelT = TypeVar("ModelT", bound=Model)
SHOWN = 5
DRAIN = "; drain() runs what is due, drain(scheduled=True) what is due later, too"
RESULTS: dict[str, str] = {
    PersistState.NONE: "is text, which no handler takes",
    PersistState.PENDING: f"waits{DRAIN}",
    PersistState.HELD: "waits for approval",
    PersistState.PERSISTED: "is persisted",
    PersistState.SKIPPED: "is taken by no handler or codec",
    PersistState.DEAD: "was given up",
}


def assert_persisted(call: Any, model: type[ModelT], *, count: int = 1) -> list[ModelT]:
    """That a call's result was persisted and created or updated exactly `count` objects of `model`; returns them.

    `call`: a ServiceCall, a ServiceCallRecord or an id. AssertionError says how far the call came instead.
    """
    record = _record(call)
    if record.domain_persist_state != PersistState.PERSISTED:
        raise AssertionError(f"Call {record.pk} is not persisted: {_how_far(record)}")
    made = objects_made(record.pk)
    found = [each for each in made if isinstance(each, model)]
    if len(found) != count:
        others = ", ".join(sorted({each._meta.label for each in made})) or "nothing"
        raise AssertionError(
            f"Call {record.pk} made {len(found)} objects of {model._meta.label}, not {count}; in all it made {others}."
        )
    return found


def assert_failed(call: Any, code: str | None = None) -> ServiceCallRecord:
    """That a call failed for good, with this error code unless that is None; returns its record, read again."""
    record = _record(call)
    if record.status != Status.FAILED or code not in (None, record.error_code):
        expected = f"failed{f' with {code}' if code else ''}"
        raise AssertionError(f"Call {record.pk} has not {expected}: {_how_far(record)}")
    return record


def assert_no_paid_requests() -> None:
    """That no request in the database went, or may have gone, to a model that somebody pays for.

    Free are simulated providers, servers on this machine, and requests that ALLOW_PAID_REQUESTS = False held back.
    """
    clients = clients_settings().clients
    free = [name for name, client in clients.items() if is_loopback(address_of(client))]
    paid = (
        AIRequestAudit.objects.exclude(provider=SimulatorProvider.name)
        .exclude(client_name__in=free)
        .exclude(response_audit__error_code=PaidRequestsForbidden.code)
    )
    found = list(paid.values_list("service_identity", "client_name", "model", "call_id")[:SHOWN])
    if found:
        shown = "; ".join(f"{service} to client {client!r}, {model}, call {pk}" for service, client, model, pk in found)
        raise AssertionError(f"{paid.count()} requests went to a model that costs money: {shown}.")


def _record(call: Any) -> ServiceCallRecord:
    call_id = call.id if isinstance(call, ServiceCall | ServiceCallRecord) else call
    record = ServiceCallRecord.objects.filter(pk=call_id).first()
    if record is None:
        raise AssertionError(f"There is no call {call_id!r} in the database.")
    return record


def _how_far(record: ServiceCallRecord) -> str:
    """Its status, the reason if there is one, and what to do when the test forgot something."""
    if record.status != Status.SUCCEEDED:
        reason = f" ({record.error_code}: {record.error})" if record.error_code else ""
        return f"it is {record.status}{reason}{DRAIN if record.status == Status.QUEUED else ''}."
    if record.domain_persist_error:
        failed = f"after {record.domain_persist_attempts} failures: {record.domain_persist_error}"
        return f"it succeeded, and its result is {record.domain_persist_state} {failed}"
    return f"it succeeded, and its result {RESULTS[record.domain_persist_state]}."
