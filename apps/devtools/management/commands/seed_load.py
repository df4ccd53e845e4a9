"""Writes many calls with their attempts, audits and objects, to measure pages on a large database."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import CommandError
from django.db import connection, models, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.devtools.copy_writer import Table
from apps.devtools.day_copies import copy_day, without_indexes
from apps.devtools.load_rows import PRICES, Bundle, Load
from apps.devtools.load_services import LoadService, load_services
from apps.simulation.models import Simulation
from orchestration.conf import clients_settings
from orchestration.management.base import PlainCommand, real, whole
from orchestration.models import AIRequestAudit, AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.stats.aggregation import roll_up
from persistence.admin.navigation import simulated_clients
from persistence.models import PersistedChunk, PersistedObject
from persistence.models.failures import PersistenceFailure

BATCH = 5_000
MANY = 50_000
"""As many calls over several days are one day's, written here, and copies of them that PostgreSQL makes."""
ROWS_PER_CALL = 10
"""More than a call has of any table."""
OBJECTS = 500
OWNERS = 20
TABLES = (
    ("call", ServiceCallRecord),
    ("requests", AIRequestAudit),
    ("answers", AIResponseAudit),
    ("chunks", PersistedChunk),
    ("objects", PersistedObject),
    ("failures", PersistenceFailure),
)


class Command(PlainCommand):
    help = (
        "Write many realistic calls with their attempts, audits and objects, and roll them up. For load tests:"
        " needs DEBUG, or --yes. Adds to existing rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=whole(1, 100_000_000), default=10_000)
        parser.add_argument("--days", type=real(0, 3650), default=30.0, help="how many days the calls reach back (30)")
        parser.add_argument("--seed", type=whole(0, 2**63), default=1)
        parser.add_argument("--namespaces", default="", help="only services of these namespaces, comma-separated")
        parser.add_argument("--yes", action="store_true", help="write even without DEBUG")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["yes"]):
            raise CommandError("This writes made-up calls. Set DJANGO_DEBUG=true, or pass --yes.")
        began = time.monotonic()
        days, calls = int(options["days"]), options["calls"]
        if connection.vendor == "postgresql" and days > 1 and calls >= MANY:
            self._write_days(self._load(options | {"days": 1.0, "calls": calls // days}), days)
        else:
            self._write(self._load(options))
        self.stdout.write(f"rolling up after {time.monotonic() - began:.0f} s")
        while not roll_up(afresh=True):
            time.sleep(1)
        self.stdout.write(f"{options['calls']:,} calls written in {time.monotonic() - began:.0f} s")

    def _load(self, options: dict[str, Any]) -> Load:
        owners = _owners()
        return Load(
            calls=options["calls"],
            until=timezone.now(),
            days=options["days"],
            seed=options["seed"],
            services=_services(set(filter(None, options["namespaces"].split(",")))),
            owners=owners,
            objects=_objects(owners),
            object_type=ContentType.objects.get_for_model(Simulation).pk,
            open_calls=len(simulated_clients()) == len(clients_settings().clients),
        )

    def _write_days(self, load: Load, days: int) -> None:
        numbers = load.calls * ROWS_PER_CALL
        with transaction.atomic(), without_indexes([model._meta.db_table for _, model in TABLES]):
            first = self._write(load, leave=numbers * (days - 1))
            self.stdout.write(f"{load.calls:,} calls of the last day are written")
            last = (load.next_request, load.next_answer, load.next_chunk, load.next_chunk)
            keys: dict[type[models.Model], tuple[int, int]] = dict(
                zip((model for _, model in TABLES[1:5]), zip((*first, first[2]), last, strict=True), strict=True)
            )
            copy_day(keys, [PersistenceFailure], load.made, days - 1, numbers)
        _analyze()

    def _write(self, load: Load, leave: int = 0) -> tuple[int, int, int]:
        """The first keys of requests, answers and chunks; `leave` as many unused before them."""
        bundles, written, total = load.bundles(), 0, load.calls
        tables: dict[str, Table] = {}
        _prices()
        with transaction.atomic():  # one numbering for all rows
            load.next_request, load.next_answer, load.next_chunk = (
                Table(model, columns=()).next_id() + leave for _, model in TABLES[1:4]
            )
            first = load.next_request, load.next_answer, load.next_chunk
        while some := list(islice(bundles, BATCH)):
            with transaction.atomic():
                for name, model in TABLES:
                    rows = list(_rows(some, name))
                    if rows:
                        table = tables.setdefault(name, Table(model, columns=rows[0]))
                        table.write(rows)
            written += len(some)
            if leave:
                load.made += [bundle.call["id"] for bundle in some]
            if written % 50_000 == 0:
                self.stdout.write(f"{written:,} of {total:,}")
        for table in tables.values():
            table.finish()
        if not leave:
            _analyze()
        return first


def _analyze() -> None:
    """Two tables at a time: it takes a quarter of all, and one processor each."""
    if connection.vendor == "postgresql":
        tables = [model._meta.db_table for _, model in TABLES]
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(_analyze_one, tables))


def _analyze_one(table: str) -> None:
    """On a connection of this thread."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f'VACUUM ANALYZE "{table}"')
    finally:
        connection.close()


def _rows(bundles: list[Bundle], name: str) -> Iterator[dict[str, Any]]:
    for bundle in bundles:
        yield from bundle.rows_of(name)


def _services(namespaces: set[str]) -> list[LoadService]:
    """CommandError when there are none."""
    found = load_services(namespaces)
    if not found:
        raise CommandError(f"No service with a schema has one of the namespaces {', '.join(sorted(namespaces))}.")
    return found


def _owners() -> list[int]:
    people = [
        User(email=f"load{number}@example.com", role=UserRole.TRAINEE, password="!")  # noqa: S106 - no password fits
        for number in range(OWNERS)
    ]
    User.objects.bulk_create(people, ignore_conflicts=True)
    return list(User.objects.filter(email__startswith="load").values_list("pk", flat=True))


def _objects(owners: list[int]) -> list[int]:
    """Simulations that calls are about."""
    now = timezone.now()
    made = Simulation.objects.bulk_create(
        Simulation(
            user_id=owners[number % len(owners)],
            sim_patient_full_name=f"Load Patient {number}",
            chief_complaint="belly pain since last night",
            status="ended",
            started_at=now,
            ended_at=now,
        )
        for number in range(OBJECTS)
    )
    return [simulation.pk for simulation in made]


def _prices() -> None:
    for model, cents in PRICES.items():
        if cents and not ModelPrice.objects.filter(provider="simulator", model=model).exists():
            ModelPrice.objects.create(
                provider="simulator",
                model=model,
                valid_from=timezone.now() - timedelta(days=3650),
                input_per_million=cents[0] / 100,
                cached_input_per_million=cents[0] / 200,
                output_per_million=cents[1] / 100,
            )
