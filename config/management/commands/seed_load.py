"""Many calls with all that belongs to them, to see how pages behave at size."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import UserRole
from apps.simulation.models import Simulation
from config.console import simulated_clients
from config.load_rows import PRICES, Bundle, Load, Service
from config.load_writer import Table
from orchestration.app import ensure_autostarted
from orchestration.conf import clients_settings
from orchestration.engine.rollup import roll_up
from orchestration.models import AIRequestAudit, AIResponseAudit, ModelPrice, ServiceCallRecord
from orchestration.registry import services
from persistence.models import PersistedChunk, PersistedObject

BATCH = 5_000
OBJECTS = 500
OWNERS = 20
TABLES = (
    ("call", ServiceCallRecord),
    ("requests", AIRequestAudit),
    ("answers", AIResponseAudit),
    ("chunks", PersistedChunk),
    ("objects", PersistedObject),
)


class Command(BaseCommand):
    help = (
        "Write many realistic calls with their attempts, audits and objects, and sum them up. For trying out and"
        " measuring: needs DEBUG, or --yes. Adds to what is there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=10_000)
        parser.add_argument("--days", type=float, default=30.0, help="over how many days before now (default 30)")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--namespaces", default="", help="only services of these, separated by commas")
        parser.add_argument("--yes", action="store_true", help="write into a database without DEBUG")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["yes"]):
            raise CommandError("This writes made-up calls. Set DJANGO_DEBUG=true, or say --yes if you mean it.")
        if options["calls"] < 1 or options["days"] <= 0:
            raise CommandError("--calls and --days must be greater than 0.")
        began = time.monotonic()
        load = self._load(options)
        self._write(load, options["calls"])
        self.stdout.write(f"summing up after {time.monotonic() - began:.0f} s")
        while not roll_up(afresh=True):
            time.sleep(1)
        self.stdout.write(f"{options['calls']:,} calls written in {time.monotonic() - began:.0f} s")

    def _load(self, options: dict[str, Any]) -> Load:
        ensure_autostarted()
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

    def _write(self, load: Load, total: int) -> None:
        bundles, tables, written = load.bundles(), {}, 0
        _prices()
        with transaction.atomic():  # one numbering for all rows
            load.next_request, load.next_answer, load.next_chunk = (
                Table(model, columns=()).next_id() for _, model in TABLES[1:4]
            )
        while some := list(islice(bundles, BATCH)):
            with transaction.atomic():
                for name, model in TABLES:
                    rows = list(_rows(some, name))
                    if rows:
                        table = tables.setdefault(name, Table(model, columns=rows[0]))
                        table.write(rows)
            written += len(some)
            if written % 50_000 == 0:
                self.stdout.write(f"{written:,} of {total:,}")
        for table in tables.values():
            table.finish()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for _, model in TABLES:
                    cursor.execute(f'VACUUM ANALYZE "{model._meta.db_table}"')


def _rows(bundles: list[Bundle], name: str) -> Iterator[dict[str, Any]]:
    for bundle in bundles:
        if name == "call":
            yield bundle.call
        else:
            yield from getattr(bundle, name)


def _services(namespaces: set[str]) -> list[Service]:
    """The registered services with a schema, of these namespaces or of all; CommandError when there are none."""
    found = []
    for identity in services.all():
        service = services.get(identity)
        schema = service.wiring.schema
        if schema is not None and (not namespaces or service.identity.namespace in namespaces):
            found.append(
                Service(
                    str(service.identity),
                    service.identity.namespace,
                    str(schema.identity),
                    schema.version,
                    schema.strict.fingerprint,
                )
            )
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
