"""Replies whose persistence fails for the last time, by the thousand, beside many stored calls: how many a second.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.dead_storm [--dead 5000] [--calls 1000000] [--workers 1]

In a scratch database beside that of DATABASE_URL, PostgreSQL only. Each result belongs to a question in a simulation of
its own; its handler's statement is refused by the database. Timed is the drain, from the first result to the last
question that says it failed, then the sweep that finds nothing left. With more than one worker, so many processes
drain at once, as those of a cluster do. Prints one JSON object, with the CPU time of the drain for each, which a busy
machine changes less, and the load average.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from multiprocessing import get_context

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.db import connection

from apps.accounts.models import User
from apps.chatlab.models import Delivery, Message, MessageRole
from apps.chatlab.orca.services import GeneratePatientReply
from apps.chatlab.services.replies import settle_overdue
from apps.simulation.models import Simulation, SimulationStatus
from benchmarks import drain_ways, stored
from orchestration.management.base import whole
from orchestration.models import ServiceCallRecord
from persistence.conf import persistence_settings
from persistence.outbox.drain import drain_batch
from persistence.testing import unsaved_result
from tests.persistence.reprocessing.test_rerun import answered

TARGET = 300
AT_ONCE = 500
LAST_NUMBER = 2_147_483_646
"""Of a message: the counter behind the next one is out of the column's range, and the database refuses it."""
REPLY = {
    "image_requested": False,
    "messages": [{"role": "patient", "content": [{"type": "text", "text": "Since last night."}]}],
    "llm_conditions_check": [],
    "facts": [],
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dead", type=whole(1, 1_000_000), default=5_000)
    parser.add_argument("--calls", type=whole(1, 100_000_000), default=1_000_000, help="stored calls beside them")
    parser.add_argument("--workers", type=whole(1, 32), default=1, help="processes that drain")
    return parser.parse_args()


def main() -> None:
    options = parse()
    with drain_ways.scratch_database() as vendor:
        if vendor != "postgresql":
            raise SystemExit("This benchmark needs PostgreSQL: set DATABASE_URL to one.")
        stored.copies(answered("We are on it."), options.calls)
        questions = list(store_questions(options.dead))
        seconds, cpu = drain_all(options.workers)
        failed = Message.objects.filter(pk__in=questions, failure_code="not_stored").count()
        began = time.perf_counter()
        left = settle_overdue()
        sweep_ms = (time.perf_counter() - began) * 1000
    if (failed, left) != (options.dead, 0):
        raise RuntimeError(f"{failed} of {options.dead} questions say that they failed; the sweep found {left} more.")
    print(
        json.dumps(
            {
                "dead": options.dead,
                "stored_calls": options.calls,
                "workers": options.workers,
                "seconds": round(seconds, 1),
                "per_second": round(options.dead / seconds),
                "target_per_second": TARGET,
                "cpu_ms_each": round(cpu * 1000 / options.dead, 2),
                "sweep_ms": round(sweep_ms, 1),
                "load": os.getloadavg()[0],
            }
        )
    )


def drain_all(workers: int) -> tuple[float, float]:
    """Seconds until nothing is left, and those of CPU, of all workers together."""
    connection.close()  # before the fork: each process opens its own
    others = [get_context("fork").Process(target=drain_the_rest) for _ in range(1, workers)]
    before, began = _computed(), time.perf_counter()
    for other in others:
        other.start()
    drain_the_rest()
    for other in others:
        other.join()
    return time.perf_counter() - began, _computed() - before


def drain_the_rest() -> None:
    """As a worker does: batch after batch, while something is due."""
    while ServiceCallRecord.objects.pending_persistence().exists():
        drain_batch()
    connection.close()


def _computed() -> float:
    """Seconds of CPU of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def store_questions(count: int) -> list[int]:
    """So many questions, each in its own simulation, whose replies are tried for the last time; their keys."""
    user = User.objects.create_user("storm@example.com")
    keys: list[int] = []
    for first in range(0, count, AT_ONCE):
        keys += _store_some(user, min(AT_ONCE, count - first))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE simulation, message, service_call_record")
    return keys


def _store_some(user: User, count: int) -> list[int]:
    simulations = Simulation.objects.bulk_create(
        Simulation(user=user, sim_patient_full_name="Maria Alvarez", status=SimulationStatus.RUNNING)
        for _ in range(count)
    )
    questions = Message.objects.bulk_create(
        Message(
            simulation=simulation,
            sequence=LAST_NUMBER,
            role=MessageRole.USER,
            content="Since when?",
            delivery_status=Delivery.PENDING,
        )
        for simulation in simulations
    )
    service, calls = GeneratePatientReply, []
    for simulation, question in zip(simulations, questions, strict=True):
        context = {"simulation_id": simulation.pk, "message_id": question.pk}
        call = unsaved_result(service.identity, service.wiring.schema, REPLY, context=context)
        call.ordering_key, call.sequence = simulation.ordering_key, 1
        call.domain_persist_attempts = persistence_settings().DOMAIN_PERSIST_MAX_ATTEMPTS - 1
        question.call = call
        calls.append(call)
    ServiceCallRecord.objects.bulk_create(calls)
    Message.objects.bulk_update(questions, ["call"])
    return [question.pk for question in questions]


if __name__ == "__main__":
    main()
