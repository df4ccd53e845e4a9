"""The board as a live page: a dense row for each session, with what was said last and who is waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery

from apps.accounts.models import User
from apps.chatlab.models import Delivery, Message, MessageRole, MessageType
from apps.simulation.models import Simulation, SimulationMetadata, SimulationStatus
from apps.trainerlab.services.board import BoardRow
from apps.trainerlab.services.board import board as board_rows
from apps.training.live.fragments import Part
from orchestration.clock import database_now

PATIENCE = timedelta(minutes=1)
"""After this long somebody is said to be waiting."""
LONGEST_LINE = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A session on the board. `last` is its newest message; `asked` and `orders` count what the trainee posted."""

    base: BoardRow
    last: Message | None
    asked: int
    orders: int
    found: int
    """Of the findings that the author fixed, those that are known by now."""
    findings: int
    failed: bool

    @property
    def simulation(self) -> Simulation:
        return self.base.simulation

    @property
    def trainee(self) -> str:
        return self.simulation.user.get_full_name() or str(self.simulation.user)

    @property
    def last_line(self) -> str:
        if self.last is None:
            return ""
        text = " ".join(self.last.content.split())
        return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE].rstrip()}…"

    @property
    def said_by(self) -> str:
        """Who said the last line, in a word."""
        if self.last is None:
            return ""
        if self.last.role == MessageRole.USER:
            return "Ordered" if self.last.message_type == MessageType.ORDER else self.trainee.split()[0]
        if self.last.message_type == MessageType.RESULTS:
            return "Results"
        is_event = self.last.message_type == MessageType.EVENT or self.last.role == MessageRole.SYSTEM
        return "Event" if is_event else self.simulation.sim_patient_full_name.split()[0]

    @property
    def waiting_since(self) -> datetime | None:
        """Since when the patient waits for the trainee; None while nobody waits, or a reply is being written."""
        if self.simulation.status != SimulationStatus.RUNNING or self.last is None:
            return None
        return None if self.last.delivery_status == Delivery.PENDING else self.last.created_at

    @property
    def is_waiting(self) -> bool:
        since = self.waiting_since
        return since is not None and database_now() - since >= PATIENCE

    @property
    def needs_help(self) -> bool:
        """Whether an instructor should look: the opening failed, or a message has no reply."""
        return self.failed or self.simulation.status == SimulationStatus.FAILED

    @property
    def limit_seconds(self) -> int | None:
        limit = self.simulation.time_limit
        return None if limit is None else int(limit.total_seconds())

    @property
    def seconds_used(self) -> int | None:
        """Of the time limit; None without one."""
        left = self.base.time_left
        return None if left is None or self.limit_seconds is None else self.limit_seconds - int(left.total_seconds())

    def seen(self) -> list[Any]:
        """What decides how the row looks; the clocks in it run by themselves."""
        simulation = self.simulation
        last = self.last and [self.last.pk, self.last.delivery_status]
        return [simulation.pk, simulation.status, simulation.feedback_status, simulation.ends_at, last, self.asked,
                self.orders, self.found, self.failed]  # fmt: skip


FILTERS: dict[str, tuple[str, Callable[[Row], bool]]] = {
    "": ("Live", lambda row: not row.simulation.has_ended),
    "waiting": ("Waiting", lambda row: row.is_waiting or row.needs_help),
    "paused": ("Paused", lambda row: row.simulation.status == SimulationStatus.PAUSED),
    "ended": ("Ended", lambda row: row.simulation.has_ended),
}
"""What the board may be narrowed to, by the value in the address: label, and which rows."""


def board_part(user: User, wanted: str = "", search: str = "") -> Part:
    """The sessions that a filter and a search leave, and how many each filter has."""
    rows = [row for row in rows_of(user) if _matches(row, search)]
    chosen = wanted if wanted in FILTERS else ""
    shown = [row for row in rows if FILTERS[chosen][1](row)]
    filters = [
        {"value": value, "label": label, "count": sum(map(holds, rows)), "current": value == chosen}
        for value, (label, holds) in FILTERS.items()
    ]
    context = {
        "rows": shown,
        "filters": filters,
        "search": search,
        "wanted": chosen,
        "is_empty": not rows,
        "now": database_now(),
    }
    versions = [chosen, search, [each["count"] for each in filters], [row.seen() for row in shown]]
    return Part(id="board", template="training/parts/board.html", shown=versions, context=context)


def rows_of(user: User) -> list[Row]:
    """All sessions of the board, in a fixed number of queries."""
    base = board_rows(user)
    keys = [row.simulation.pk for row in base]
    last, counts, known = _last_messages(keys), _counts(keys), _known(keys)
    return [_row(row, last.get(row.simulation.pk), counts.get(row.simulation.pk, (0, 0, 0)), known) for row in base]


def _row(row: BoardRow, last: Message | None, counts: tuple[int, int, int], known: dict[int, set[str]]) -> Row:
    fixed = {
        str(finding.get("key", "")).casefold() for finding in row.simulation.findings if finding["kind"] != "vital"
    }
    asked, orders, failed = counts
    found = fixed & known.get(row.simulation.pk, set())
    return Row(
        base=row, last=last, asked=asked, orders=orders, found=len(found), findings=len(fixed), failed=bool(failed)
    )


def _last_messages(keys: Iterable[int]) -> dict[int, Message]:
    newest = Message.objects.filter(simulation=OuterRef("simulation"), is_deleted=False).order_by("-sequence")
    rows = Message.objects.filter(simulation__in=keys, pk=Subquery(newest.values("pk")[:1]))
    return {message.simulation_id: message for message in rows}


def _counts(keys: Iterable[int]) -> dict[int, tuple[int, int, int]]:
    """Messages, orders, and messages without a reply, by simulation."""
    ordered = Q(message_type=MessageType.ORDER)
    mine = Message.objects.filter(simulation__in=keys, role=MessageRole.USER, is_deleted=False).order_by()
    counted = mine.values("simulation").annotate(
        asked=Count("pk", filter=~ordered),
        orders=Count("pk", filter=ordered),
        failed=Count("pk", filter=Q(delivery_status=Delivery.FAILED)),
    )
    return {row["simulation"]: (row["asked"], row["orders"], row["failed"]) for row in counted}


def _known(keys: Iterable[int]) -> dict[int, set[str]]:
    """The names of the facts that are known, in lower case, by simulation."""
    known: dict[int, set[str]] = {}
    for simulation, key in SimulationMetadata.objects.filter(simulation__in=keys).values_list("simulation", "key"):
        known.setdefault(simulation, set()).add(key.casefold())
    return known


def _matches(row: Row, search: str) -> bool:
    words = search.casefold().split()
    text = (
        f"{row.trainee} {row.simulation.user.email} {row.base.title} {row.simulation.sim_patient_full_name}".casefold()
    )
    return all(word in text for word in words)
