"""The page of what holds calls back: it says of each call what the call's own page says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import escape
from itertools import combinations
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.engine.queue.holding import holds
from orchestration.engine.queue.waiting import waits_of
from orchestration.errors import PUT_OFF
from orchestration.models import Pause, ProviderCircuit, RateLimit, ServiceCallRecord, WorkerNode
from orchestration.models.states import OrderingPolicy, PersistState, Status
from persistence.admin.held_back import TITLES
from tests.orchestration.factories import SERVICE, failed, queued, running
from tests.orchestration.routed import BACKUP, MAIN, ROUTES, ask, route, with_clients

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
HELD = reverse("admin:persistence_held")
PAUSES = reverse("admin:orchestration_pause_changelist")


@pytest.fixture(autouse=True)
def worker() -> None:
    WorkerNode.objects.create(name="node-1", beat_at=database_now())


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_each_hold_leads_to_its_calls_and_its_remedy(root: Client) -> None:
    pause = Pause.objects.create(kind="service", name=SERVICE, reason="for <the> night")
    first = failed(ordering_key="k", sequence=1, ordering_policy=OrderingPolicy.HOLD)
    queued(
        ordering_key="k", sequence=2, ordering_policy=OrderingPolicy.HOLD, due_at=database_now() + timedelta(hours=2)
    )
    page = html(root.get(HELD))
    assert "What holds calls back now" in page
    assert "for &lt;the&gt; night" in page
    assert f"?held=paused%3Aservice+{SERVICE}" in page
    assert reverse("admin:orchestration_pause_changelist") in page
    assert call_url(first.pk) in page
    assert "in 1 h" in page
    pause.end()
    gone = html(root.get(reverse("admin:orchestration_servicecallrecord_changelist"), {"held": f"paused:{pause}"}))
    assert f"Nothing holds calls back now that is called paused:service {SERVICE}." in gone


def test_it_says_when_nothing_is_held(root: Client) -> None:
    queued()
    page = html(root.get(HELD))
    assert "Nothing holds calls back" in page
    assert "1 call queued" in page


def test_it_is_for_those_who_may_see_calls(staff: Callable[..., Client]) -> None:
    assert staff("view_persistedchunk").get(HELD).status_code == 403
    assert staff("view_servicecallrecord").get(HELD).status_code == 200


# --- as the pages of the calls say --------------------------------------------------------------


def behind(key: str, *, policy: OrderingPolicy = OrderingPolicy.HOLD, **first: Any) -> None:
    """Two calls that wait for one of their ordering key."""
    same = {"ordering_key": key, "ordering_policy": policy}
    queued(**{**same, "sequence": 1, "finished_at": database_now(), **first})
    queued(**same, sequence=2), queued(**same, sequence=3, due_at=database_now() + timedelta(days=1))


def persisting(state: PersistState) -> dict[str, Any]:
    return {"status": Status.SUCCEEDED, "domain_persist_state": state, "next_persist_at": database_now()}


def waiting(**fields: Any) -> None:
    """Of every kind: with one way to go and with several, due and not due yet."""
    later = database_now() + timedelta(hours=1)
    for due in ({}, {"due_at": later}):
        queued(client="main", model_requested="gpt-4o", **due, **fields)
        call = ask()
        ServiceCallRecord.objects.filter(pk=call.pk).update(**due, **fields)


def circuit(client: str) -> None:
    later = database_now() + timedelta(seconds=40)
    ProviderCircuit.objects.create(client=client, state="open", retry_at=later, last_error_code="timeout")


def limit(pattern: str) -> None:
    RateLimit.objects.create(pattern=pattern, parallel=1)
    running(client=pattern.partition("/")[0], model_requested=pattern.partition("/")[2])


REASONS: dict[str, Callable[[], Any]] = {
    "nothing": waiting,
    "a service is paused": lambda: Pause.start("service", SERVICE),
    "one of two routes is paused": lambda: Pause.start("model", MAIN),
    "the other route is paused": lambda: Pause.start("model", BACKUP),
    "a circuit is open": lambda: circuit("main"),
    "the circuit of the other is open": lambda: circuit("backup"),
    "a provider asked to wait": lambda: RateLimit.objects.create(
        pattern="backup/*", blocked_until=database_now() + timedelta(seconds=40)
    ),
    "a limit is used up": lambda: limit(MAIN),
    "a call failed": lambda: behind("a", status=Status.FAILED),
    "a call failed that holds nobody": lambda: behind("b", policy=OrderingPolicy.SKIP, status=Status.FAILED),
    "a result is dead": lambda: behind("c", **persisting(PersistState.DEAD)),
    "a result waits for approval": lambda: behind("d", **persisting(PersistState.HELD)),
    "a result is being persisted": lambda: behind("e", **persisting(PersistState.PENDING)),
    "a call runs": lambda: behind("f", status=Status.RUNNING, lease_expires_at=database_now()),
    "a call comes first": lambda: behind("g"),
    "a call comes first that is paused": lambda: [behind("i"), Pause.start("service", SERVICE)],
    "a call is planned": lambda: behind("h", due_at=database_now() + timedelta(hours=3)),
    "calls were put off": lambda: [waiting(error_code=code, failures=number) for number, code in enumerate(PUT_OFF)],
    "calls are tried again": lambda: waiting(error_code="timeout", failures=1, attempts=1),
    "nobody runs calls": lambda: WorkerNode.objects.update(stopping=True),
}
"""What may keep calls from running, and what looks like it; each is done beside calls of every kind."""
WITHOUT_NAMES = {"not_due": "calls for later", "no_worker": "all calls", **dict.fromkeys(PUT_OFF, "calls")}


QUEUED_FIRST = {True: "calls that are held themselves", False: "calls that are not due yet"}


def _is_held(first: ServiceCallRecord) -> bool:
    """By anything else than by its place, and by there being nobody to run any call."""
    return any(wait.code not in {"queue", "no_worker"} for wait in waits_of(first))


def told_by_calls() -> dict[tuple[str, str], set[str]]:
    """(code, what) → the calls whose own pages say that it holds them."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    now = database_now()
    for call in ServiceCallRecord.objects.queued():
        for wait in waits_of(call, now):
            what = WITHOUT_NAMES.get(wait.code, wait.what)
            if wait.code == "order":
                first = ServiceCallRecord.objects.get(pk=wait.call_id)
                under_way = first.status == Status.RUNNING or first.domain_persist_state == PersistState.PENDING
                is_due = first.status == Status.QUEUED and first.due_at <= now
                if under_way or (is_due and not _is_held(first)):
                    continue  # nothing is to be done about it
                what = QUEUED_FIRST[is_due] if first.status == Status.QUEUED else what
            if wait.code != "queue":
                told[wait.code, what].add(call.pk)
    return told


@pytest.fixture
def two_routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    route(monkeypatch, *ROUTES)
    with with_clients:
        yield


def check_agreement(client: Client) -> None:
    told = told_by_calls()
    rows = client.get(HELD).context["rows"]
    listed = {}
    for row in rows:
        hold = row["hold"]
        shown = client.get(row["calls"]).context["cl"].result_list if row["calls"] else []
        listed[hold.code, hold.what] = {call.pk for call in shown}
        assert hold.calls.count == len(shown), hold
    held = {key: calls for key, calls in listed.items() if calls}
    assert held == told
    pauses = {f"{pause}": str(pause.waiting_now) for pause in client.get(PAUSES).context["cl"].result_list}
    assert pauses == {row["hold"].what: str(row["hold"].calls) for row in rows if row["hold"].code == "paused"}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.usefixtures("two_routes")
def test_each_reason_is_told_of_the_same_calls(root: Client, reason: str) -> None:
    waiting()
    REASONS[reason]()
    check_agreement(root)
    call = ServiceCallRecord.objects.queued().order_by("due_at").first()
    assert call is not None
    page = root.get(call_url(call.pk)).content.decode()
    for wait in waits_of(call):
        assert escape(wait.why) in page


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("two_routes")
def test_so_are_several_at_once(root: Client, seed: int) -> None:
    """Pairs and triples: what holds one route matters when the other is held, too."""
    names = [name for name in REASONS if name not in {"nothing", "nobody runs calls"}]
    waiting()
    for name in names[seed::3]:
        REASONS[name]()
    check_agreement(root)


HOLD_ROUTES = [name for name in REASONS if "route" in name or "circuit" in name or "limit" in name or "asked" in name]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("pair", [*combinations(HOLD_ROUTES, 2)], ids=" and ".join)
@pytest.mark.usefixtures("two_routes")
def test_so_are_all_pairs_of_what_holds_routes(root: Client, pair: tuple[str, str]) -> None:
    assert len(HOLD_ROUTES) == 6
    waiting()
    for name in pair:
        REASONS[name]()
    check_agreement(root)


def test_every_code_has_a_title() -> None:
    assert set(TITLES) == {
        *("paused", "circuit_open", "rate_limited", "order", "no_worker", "set_aside", "not_due"),
        *PUT_OFF,
    }
    assert holds() == ([], False)
