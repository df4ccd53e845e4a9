"""Records per second through the drain, against a bare loop that only inserts the same domain rows.

    DATABASE_URL=postgres://... python -m benchmarks.drain [--records 1000] [--rounds 3] [--connections 3] [--profile]

One process, a scratch database beside that of DATABASE_URL which is removed at the end; on SQLite it is in memory. The
loop commits each row on one connection; the drain commits in groups, on those of DOMAIN_PERSIST_CONNECTIONS. Rounds
alternate and medians are compared, so that a busy machine disturbs all alike. `--profile` tells instead where the CPU
of a plain handler's record goes, and how many function calls it takes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from django.conf import settings

from benchmarks import drain_ways
from benchmarks.drain_ways import Taken
from orchestration.management.base import whole
from persistence.outbox import groups
from tests.persistence import results

TARGET = 0.75
"""Of the bare loop's rows a second, for plain handlers."""
STEPS = {
    "write": "the handler, with the notes of its statements",
    "run_consumer": "what surrounds the handler: capture, marker, links",
    "chunk_for": "the chunk",
    "object_rows": "the rows of its links",
    "name_primary": "its primary object",
    "_end": "the savepoint",
    "read_records": "reading calls",
    "response_of": "reading results",
    "lock_together": "locking the group",
    "write_together": "writing the group",
    "after_commit": "signals",
}
"""Functions of a drain, and what they do; `write` runs within `run_consumer`."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=whole(1, 10_000_000), default=1000, help="records per round and way")
    parser.add_argument("--rounds", type=whole(1, 10_000_000), default=3)
    parser.add_argument("--connections", type=whole(1, 32), help="DOMAIN_PERSIST_CONNECTIONS")
    parser.add_argument("--profile", action="store_true", help="of plain handlers, on one connection")
    return parser.parse_args()


def main() -> None:
    options = parse()
    connections = 1 if options.profile else options.connections
    if connections is not None:
        settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_CONNECTIONS": connections}
    with drain_ways.scratch_database() as vendor:
        ways = drain_ways.ways()
        if options.profile:
            report_profile(vendor, options.records)
            return
        taken: dict[str, list[Taken]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                taken[name].append(way(options.records))
    report(vendor, options.records, taken)


def report(vendor: str, records: int, taken: dict[str, list[Taken]]) -> None:
    rates = {name: records / statistics.median(one.seconds for one in some) for name, some in taken.items()}
    print(f"{vendor}: {records} records a round, target for plain handlers {TARGET} of the bare loop")
    for name, some in taken.items():
        cpu = statistics.median(one.cpu for one in some) / records * 1000
        ratio = f"{rates[name] / rates['bare']:.2f} of the bare loop"
        print(f"{name:6} {rates[name]:6.0f} a second, {ratio}, {cpu:.2f} ms of this process's CPU each")


def report_profile(vendor: str, records: int) -> None:
    groups.SECONDS = 3600.0  # a profile slows handlers down, and slow ones run alone
    drain_ways.bare(50)
    drain_ways.drained(results.note, drain_ways.write, 50)  # what a process does once
    bare = profiled(drain_ways.bare, records)
    drain_ways.store(results.note, drain_ways.write, records)
    plain = profiled(drain_ways.drain, records)
    ours = ("/persistence/", "/benchmarks/")
    found = {name: entry for (path, _, name), entry in plain.items() if any(folder in path for folder in ours)}
    total = found["drain_batch"][3]
    for name, stats in (("the bare loop", bare), ("the drain", plain)):
        print(f"{vendor}, {name}: {sum(entry[1] for entry in stats.values()) / records:.0f} function calls a record")
    shares = {name: found[name][3] / total for name in STEPS if name in found}
    shares["run_consumer"] -= shares["write"]
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{share:5.0%}  {STEPS[name]}")
    print(f"{1 - sum(shares.values()):5.0%}  the rest: commits, hooks, and the loop around all this")


def profiled(way: drain_ways.Way, records: int) -> dict[tuple[str, int, str], tuple[float, ...]]:
    """Statistics by function, in CPU time of this thread."""
    profile = cProfile.Profile(time.thread_time)
    with profile:
        way(records)
    return pstats.Stats(profile).stats  # type: ignore[attr-defined, no-any-return]


if __name__ == "__main__":
    main()
