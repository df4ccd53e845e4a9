"""What operators may do to calls. Each operation is declared here once; from the declaration the admin offers it on the
page of a call and on the list, bulk runs carry it out on all that match, and REST gets an endpoint.

Other packages declare theirs with `declare`, before the URLs are loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, Count, ExpressionWrapper, Q, QuerySet

from orchestration.clock import database_now
from orchestration.engine.queue.transport import wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject

REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """What came of one call."""

    outcome: str
    """One or two words, at most 16 characters; `refused` when the call was left alone."""
    counts: dict[str, int] = field(default_factory=dict)
    """Rows by what was done to them."""
    error: str = ""
    """Why it failed or was refused; of what was forced, what it contradicts."""
    made: str = ""
    """The id of the call that it made."""
    details: Any = field(default=None, compare=False, repr=False)
    """What it did row by row, as the operation's package knows it. It may hold content, and is never stored."""

    @property
    def was_refused(self) -> bool:
        return self.outcome == REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """A page of its own that an operation has in the admin, instead of the confirmation."""

    url_name: str
    """In the admin's namespace; its only argument is the id of the call."""
    query: str = ""
    permission: str = ""
    """What it needs besides the permission of the operation."""
    options: JsonObject = field(default_factory=dict)
    """The options with which the fewest calls are left alone: the button is there when the call would not be."""


Objection = Callable[[ServiceCallRecord, JsonObject], str]
"""Why a call would be left alone with these options; empty when it would not. It may look at the status, the persist
state, whether the call was asked to stop and whether it has a result (`by_state`), and at nothing else."""
Run = Callable[[ServiceCallRecord, JsonObject, Any], OperationResult]
"""Does it to one call in the caller's transaction, with the options and the person who asked for it. What it refuses
is a result, or raised as TransitionRefused."""


def _never(options: JsonObject) -> bool:
    return False


def _nothing(options: JsonObject) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that people do to calls."""

    name: str
    """In addresses: `/service-calls/{call_id}/<name>`."""
    title: str
    permission: str
    """`app.codename`. Over REST one's own calls need it only where the operation has an endpoint of its own."""
    promise: str
    """What becomes of the calls, after "2 calls"."""
    summary: str
    """What it does to one call, for the description of the REST API."""
    objection: Objection
    run: Run
    done: str = "done"
    """What became of the calls, after "2 calls"."""
    stored_as: str = ""
    """In stored bulk runs and the names of list actions, where that is not the name."""
    icon: str = ""
    costs: bool = False
    """Whether the model is asked again."""
    consequence: Callable[[JsonObject], str] = _nothing
    """What follows from these options beside the promise, in a sentence or two; people read it before they confirm."""
    estimate: Callable[[QuerySet[ServiceCallRecord], JsonObject], JsonObject] | None = None
    """What it would cost to do it to some calls: `{"amount", "currency", "calls", "unknown"}`, the amount as text."""
    pairs: bool = False
    """Whether it makes a call beside each, to be compared with it."""
    tells_rows: bool = False
    """Whether its results have `details`, so that a page can show them."""
    is_dry_run: bool = False
    """Whether nothing stays; then a worker that dies may repeat it."""
    form: str = ""
    """Dotted path of the Django form that asks for its options; none when empty."""
    page: ConsolePage | None = None
    own_endpoint: bool = False
    """Whether its package serves `/service-calls/{call_id}/<name>`, or offers it there as a parameter of another."""
    in_background: bool = False
    """Whether workers do it even to a few calls, because one may take longer than a web request should."""
    refused_by_apps: Callable[[Any, JsonObject], Mapping[str, str]] | None = None
    """Of some calls (a list of ids or a query for them), those whose app refuses it, with the reason."""
    newest_first: bool = False
    """Whether a run over many begins with what was persisted last."""
    is_rehearsed: Callable[[JsonObject], bool] = _never
    """Whether a run with these options is tried out on a sample before, in a transaction that is rolled back: where the
    state of a call does not tell what will come of it."""
    scope: str = ""
    """What a key needs over REST, beside the scope for operating calls."""
    shown_by: str = ""
    """`app.codename` of a permission that shows these calls to people who may not see all calls."""
    as_frozen: Callable[[JsonObject], JsonObject] = dict
    """The options of a run over many, when its list is frozen."""

    @property
    def key(self) -> str:
        return self.stored_as or self.name


_declared: dict[str, Operation] = {}


def declare(operation: Operation) -> Operation:
    """Offer an operation; declaring it again replaces it."""
    _declared[operation.key] = operation
    return operation


def operations() -> list[Operation]:
    """All of them, in the order in which they were declared."""
    return list(_declared.values())


def operation_of(key: str) -> Operation:
    """The operation with this key; KeyError when none has it."""
    return _declared[key]


def carry_out(operation: Operation, call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    """Run it; a transition that the call no longer allows is a result, too."""
    try:
        return operation.run(call, options, by)
    except TransitionRefused:
        return OperationResult(outcome=REFUSED, error=f"{call.status} by now.")


def by_state(calls: QuerySet[ServiceCallRecord]) -> Iterator[tuple[ServiceCallRecord, int]]:
    """How many of these calls are in each state that objections tell apart, with a stand-in for them; one query that
    reads no content."""
    states = (
        calls.order_by()
        .annotate(stopping=_is_set("cancel_requested_at"), has_result=_is_set("result"))
        .values_list("status", "domain_persist_state", "stopping", "has_result")
        .annotate(Count("pk"))
    )
    for status, persist_state, stopping, has_result, count in states:
        yield _stand_in(status, persist_state, database_now() if stopping else None, has_result=has_result), count


def _stand_in(status: str, persist_state: str, stopping: datetime | None, *, has_result: bool) -> ServiceCallRecord:
    return ServiceCallRecord(
        status=status,
        domain_persist_state=persist_state,
        cancel_requested_at=stopping,
        result={} if has_result else None,
    )


def _is_set(column: str) -> ExpressionWrapper[Any]:
    return ExpressionWrapper(Q(**{f"{column}__isnull": False}), BooleanField())


def possible(call: ServiceCallRecord, among: Iterable[Operation], *, has_result: bool) -> list[Operation]:
    """The operations that this call would not be left alone by; it may have been read without its content."""
    shown = _stand_in(call.status, call.domain_persist_state, call.cancel_requested_at, has_result=has_result)
    return [each for each in among if not each.objection(shown, each.page.options if each.page else {})]


# --- the engine's own -----------------------------------------------------------------------


def _against_retrying(call: ServiceCallRecord, options: JsonObject) -> str:
    return "" if call.can_be_retried else f"{call.status}; only failed and cancelled calls are retried"


def _retry(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    call.retry()
    transaction.on_commit(partial(wake, call.queue), robust=True)
    return OperationResult(outcome="retried")


def _against_cancelling(call: ServiceCallRecord, options: JsonObject) -> str:
    if call.can_be_cancelled:
        return ""
    return f"already {call.status}" if call.is_terminal else "asked to stop before"


def _cancel(call: ServiceCallRecord, options: JsonObject, by: Any) -> OperationResult:
    call.cancel()
    transaction.on_commit(partial(wake, call.queue), robust=True)
    return OperationResult(outcome="cancelled")


RETRY = declare(
    Operation(
        name="retry",
        title="Retry",
        permission="orchestration.retry_servicecallrecord",
        promise="will be queued again, each as a new attempt on the same record",
        done="queued again",
        summary="Queue a failed or cancelled call again, as a new attempt",
        icon="refresh",
        costs=True,
        objection=_against_retrying,
        run=_retry,
    )
)
CANCEL = declare(
    Operation(
        name="cancel",
        title="Cancel",
        permission="orchestration.cancel_servicecallrecord",
        promise="will be cancelled; those that run are asked to stop",
        done="cancelled or asked to stop",
        summary="Cancel a queued call, or ask a running one to stop",
        icon="cancel",
        objection=_against_cancelling,
        run=_cancel,
    )
)
