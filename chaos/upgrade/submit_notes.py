"""Submits calls with whichever version is on the path: uses only what both versions have, and is passed with `-c`.

Arguments: the first number, the number after the last, how many at once, seconds between. Prints JSON lines of
{number: call id}, each after its commit.
"""

import json
import sys
import time

import django

django.setup()

from chaos.app.orca.services.note import TakeNote  # noqa: E402 - after the setup
from orchestration.engine.queue.enqueue import CallSpec, submit_many  # noqa: E402

first, last, at_once, pause = (float(text) for text in sys.argv[1:])
for start in range(int(first), int(last), int(at_once)):
    numbers = range(start, min(start + int(at_once), int(last)))
    records = submit_many(
        [
            CallSpec(
                service=TakeNote,
                context={"number": number},
                ordering_key=f"key-{number // 60}" if number % 3 == 0 else "",
                max_attempts=10,
                idempotency_key=f"upgrade-{number}",
            )
            for number in numbers
        ]
    )
    ids = {number: record.pk for number, record in zip(numbers, records, strict=True)}
    print(json.dumps(ids), flush=True)  # noqa: T201 - what the run reads
    time.sleep(pause)
