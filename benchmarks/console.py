"""Every list and detail page of the console: queries and times, on the database of DATABASE_URL (or the embedded one).

    manage.py seed_load --calls 1000000 && python -m benchmarks.console [--runs 20] [--only PART]

Signs in as a superuser of its own, which it removes at the end. The limits, on an idle machine: at most 12 queries for
a list and 20 for a detail page or the first page; 150 ms for the slowest twentieth of its visits; CPU of the list of
calls at most 100 ms and 1.5 times that of the same rows and columns in Django's own admin (benchmarks/bare_admin.py),
of a call's page 80 ms. Exits with 1 when a page is beyond.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import configured  # noqa: F401 - sets up what the next lines need

# isort: split
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User
from benchmarks import bare_admin
from config.warm_up import warm_up
from orchestration.management.base import whole
from orchestration.models import AIRequestAudit, ServiceCallRecord

LIST_QUERIES, DETAIL_QUERIES, SLOWEST_MS = 12, 20, 150.0
LIST_CPU_MS, CALL_CPU_MS, MOST_TIMES_BARE = 100.0, 80.0, 1.5
ROUNDS = 5
EMAIL = "benchmark@example.com"
OWNER = "load7@example.com"
"""One of those that `seed_load` lets ask."""
CALLS = reverse("admin:orchestration_servicecallrecord_changelist")


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    url: str
    queries: int
    """At most."""


@dataclass(frozen=True, slots=True)
class Visit:
    page: Page
    status: int
    queries: int
    median: float
    slowest: float
    """95 % of the visits were faster, in ms."""
    cpu: float
    """The median of what this process computed, in ms: on a busy machine, the truer figure."""
    database: float | None
    """What its process of PostgreSQL computed, in ms, without parallel workers; None where it is on another machine."""

    @property
    def is_good(self) -> bool:
        return self.status == 200 and self.queries <= self.page.queries and self.slowest <= SLOWEST_MS


def pages() -> Iterator[Page]:
    for period in ("1h", "24h", "7d", "30d"):
        yield Page(f"overview {period}", f"{reverse('admin:index')}?period={period}", DETAIL_QUERIES)
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield Page(f"{name} list", reverse(f"admin:{name}_changelist"), LIST_QUERIES)
        row = model._default_manager.order_by("-pk").first()
        if row is not None:
            yield Page(f"{name} page", reverse(f"admin:{name}_change", args=(row.pk,)), DETAIL_QUERIES)
    yield from call_lists()
    yield from call_pages()
    yield from other_pages()


def call_lists() -> Iterator[Page]:
    """The list of calls, filtered and searched in every way; several match nothing."""
    call = ServiceCallRecord.objects.filter(status="succeeded").order_by("-created_at")[1000]
    old = ServiceCallRecord.objects.filter(status="succeeded").order_by("created_at")[0]
    filters: list[dict[str, str]] = [
        *({"status__exact": status} for status in ("queued", "running", "succeeded", "failed", "cancelled")),
        *({"domain_persist_state__exact": state} for state in ("none", "pending", "persisted", "skipped", "dead")),
        *({"saved": name} for name in ("failed_today", "dead", "unknown_attempts", "expensive")),
        {"service": call.service_identity},
        {"service": call.service_identity, "status__exact": "failed"},
        {"model": call.model},
        {"model": "no-such-model"},
        {"error_code": "timeout"},
        {"error_code": "no_such_code"},
        {"created_at_from_0": f"{call.created_at:%Y-%m-%d}", "created_at_from_1": "00:00:00"},
        {"p": "20"},
    ]
    searches = (
        *(call.pk, call.pk[:13], call.pk[-8:], str(call.correlation_id), "timeout", "no_such_code"),
        *("The provider said", "nobody ever said this", f"simulation {call.related_object_id}"),
        *(f"simulation:{old.related_object_id}", str(old.correlation_id), f"user:{call.requested_by_id}"),
        *(f"user:{OWNER}", "user:0", "simulation:0"),
        *("context.turn=7", "context.turn=-1", "input.ticket=77", "result.structured_data.urgency=9", "x.y=1"),
    )
    for given in [*filters, *({"q": text} for text in searches)]:
        query = urlencode(given)
        yield Page(f"calls ?{query}", f"{CALLS}?{query}", LIST_QUERIES)


def call_pages() -> Iterator[Page]:
    """Calls of every kind."""
    found = {status: ServiceCallRecord.objects.filter(status=status).first() for status in ("queued", "failed")}
    repaired = AIRequestAudit.objects.filter(repair=1).order_by("-pk").first()
    found["repaired"] = repaired.call if repaired else None
    found["dead"] = ServiceCallRecord.objects.dead().first()
    for kind, call in found.items():
        if call is not None:
            url = reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))
            yield Page(f"call page, {kind}", url, DETAIL_QUERIES)


def other_pages() -> Iterator[Page]:
    """Reports, what is asked about one or two calls, and what machines ask."""
    one, other = ServiceCallRecord.objects.filter(status="succeeded").order_by("-created_at")[:2]
    schema = urlencode({"schema": one.schema_identity})
    addresses = {
        "dead letters": reverse("admin:persistence_dead_letters"),
        "schemas and handlers": reverse("admin:persistence_upgrades"),
        "schemas and handlers, one schema": f"{reverse('admin:persistence_upgrades')}?{schema}",
        "history": reverse("admin:orchestration_servicecallrecord_history", args=(one.pk,)),
        "rerun": reverse("admin:persistence_rerun", args=(one.pk,)),
        "compare": reverse("admin:persistence_compare", args=(one.pk, other.pk)),
        "metrics": "/metrics",
        "readyz": "/readyz",
        "REST list": "/api/v1/service-calls",
        "REST call": f"/api/v1/service-calls/{one.pk}",
        "REST stats": "/api/v1/stats",
    }
    for name, url in addresses.items():
        yield Page(name, url, DETAIL_QUERIES)


def visit(client: Client, page: Page, runs: int) -> Visit:
    with CaptureQueriesContext(connection) as captured:
        status = client.get(page.url).status_code
        queries = len(captured)
    times, computed = [], []
    before = _database_cpu()
    for _ in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        client.get(page.url)
        times.append((time.perf_counter() - started) * 1000)
        computed.append((time.process_time() - worked) * 1000)
    slowest = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    after = _database_cpu()
    database = None if before is None or after is None else (after - before) / runs
    return Visit(page, status, queries, statistics.median(times), slowest, statistics.median(computed), database)


def _database_cpu() -> float | None:
    """Of the server's process for this connection so far, in ms, in steps of the kernel's clock (10)."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    try:
        name, _, figures = Path(f"/proc/{process}/stat").read_text().rpartition(")")
    except OSError:
        return None
    user, system = figures.split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK") if "postgres" in name else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=whole(1, 10_000_000), default=20)
    parser.add_argument("--only", default="", help="only pages whose name contains this")
    options = parser.parse_args()
    settings.DEBUG = False  # with it Django keeps every query
    warm_up()  # as processes that serve do
    User.objects.filter(email=EMAIL).delete()
    user = User.objects.create_superuser(EMAIL, None)
    try:
        client = Client(SERVER_NAME="localhost")
        client.force_login(user)
        cpu = compare(client, options.runs)
        visits = [visit(client, page, options.runs) for page in pages() if options.only in page.name]
    finally:
        LogEntry.objects.filter(user=user).delete()
        user.delete()
    sys.exit(max(report(visits), report_cpu(*cpu)))


def compare(client: Client, runs: int) -> tuple[list[float], list[float], list[float]]:
    """CPU in ms of the list of calls, of the same in Django's own admin, and of a call's page, taken in turns."""
    done = ServiceCallRecord.objects.filter(status="succeeded").order_by("-created_at", "-id")
    call = reverse("admin:orchestration_servicecallrecord_change", args=(done.values_list("pk", flat=True)[0],))
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(ROUNDS):
        found[0].extend(_cpu(client, CALLS, runs))
        with bare_admin.served() as bare:
            found[1].extend(_cpu(client, bare, runs))
        found[2].extend(_cpu(client, call, runs))
    return found


def _cpu(client: Client, url: str, runs: int) -> Iterator[float]:
    if client.get(url).status_code != 200:  # which also fills the caches of templates and addresses
        raise SystemExit(f"{url} cannot be shown.")
    for _ in range(max(runs // ROUNDS, 1)):
        worked = time.process_time()
        client.get(url)
        yield (time.process_time() - worked) * 1000


def report_cpu(console: list[float], bare: list[float], call: list[float]) -> int:
    listed, own, one = (statistics.median(times) for times in (console, bare, call))
    print(
        f"list of calls {listed:.1f} ms CPU (at most {LIST_CPU_MS:.0f}), the same in Django's own admin {own:.1f} ms:"
        f" {listed / own:.2f} times (at most {MOST_TIMES_BARE}); a call's page {one:.1f} ms (at most {CALL_CPU_MS:.0f})"
    )
    return int(listed > LIST_CPU_MS or listed > own * MOST_TIMES_BARE or one > CALL_CPU_MS)


def report(visits: list[Visit]) -> int:
    """Print all, slowest last; the exit status."""
    print(f"{connection.vendor}, about {_about():,} calls")
    for found in sorted(visits, key=lambda found: found.slowest):
        print(
            f"{'ok  ' if found.is_good else 'BAD '} {found.slowest:8.1f} ms p95 {found.median:8.1f} ms median"
            f" {found.cpu:7.1f} ms CPU"
            f" {'?' if found.database is None else format(found.database, '.1f'):>7} ms of the database"
            f" {found.queries:3d} queries  {found.status}  {found.page.name}"
        )
    bad = sum(not found.is_good for found in visits)
    print(f"{len(visits)} pages, {bad} beyond the limits")
    return 1 if bad else 0


def _about() -> int:
    if connection.vendor != "postgresql":
        return ServiceCallRecord.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE relname = 'service_call_record'")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
