"""How long a dry run of persisting 1,000 stored results again takes: plain ones, and replies of a chat.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.dry_run [--records 1000]

One process, one connection, in a scratch database beside that of DATABASE_URL. Prints one JSON object: seconds on the
clock, seconds of this process's CPU, and statements for one record. The target is 10 s for 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import time

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.chatlab.orca.schemas import PatientReplyOutputSchema
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation
from benchmarks import drain_ways
from orchestration.management.base import whole
from orchestration.models import ServiceCallRecord
from persistence.reprocessing.reprocess import ReprocessOutcome, dry_run
from persistence.testing import stored_result
from tests.apps.chatlab.conversation import CASE
from tests.persistence import results

SIMULATIONS = 10


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=whole(1, 10_000_000), default=1000)
    return parser.parse_args()


def main() -> None:
    count = parse().records
    measured: dict[str, object] = {"records": count}
    with drain_ways.scratch_database() as vendor:
        measured["database"] = vendor
        measured["plain"] = shown([results.note(drain_ways.write) for _ in range(count)])
        measured["chat"] = shown(replies(count))
    measured["load"] = os.getloadavg()[0]
    print(json.dumps(measured))


def replies(count: int) -> list[ServiceCallRecord]:
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    cases = [Simulation.objects.create(user=owner, **CASE) for _ in range(SIMULATIONS)]
    return [reply(cases[number % SIMULATIONS], number) for number in range(count)]


def reply(simulation: Simulation, number: int) -> ServiceCallRecord:
    content = [{"type": "text", "text": f"Answer {number}"}]
    data = {
        "messages": [{"role": "patient", "content": content}],
        "llm_conditions_check": [],
        "image_requested": False,
    }
    context = {"simulation_id": simulation.pk}
    return stored_result(GeneratePatientReply.identity, PatientReplyOutputSchema, data, context=context)


def shown(records: list[ServiceCallRecord]) -> dict[str, float]:
    with CaptureQueriesContext(connection) as captured:
        checked(records[0])
    began, busy = time.perf_counter(), time.process_time()
    for record in records:
        checked(record)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - busy, 2),
        "statements": len(captured),
    }


def checked(record: ServiceCallRecord) -> None:
    report = dry_run(record.pk)
    if report.outcome is not ReprocessOutcome.PERSISTED:
        raise RuntimeError(report.error)


if __name__ == "__main__":
    main()
