"""Records per second through the drain, against a bare loop that only inserts the same domain rows.

    DATABASE_URL=postgres://... .venv/bin/python -m benchmarks.drain [--records 1000] [--rounds 3]

One process, a scratch database beside that of DATABASE_URL which is removed at the end; on SQLite it is in memory. The
loop commits each row on one connection; the drain commits in groups, on those of DOMAIN_PERSIST_CONNECTIONS. Rounds
alternate and medians are compared, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks import prepared  # noqa: F401 - sets up what the next lines need

# isort: split
from benchmarks import drain_ways
from orchestration.management.base import whole

TARGETS = {"plain": 600, "async": 300, "codec": None}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=whole(1, 10_000_000), default=1000, help="records per round and way")
    parser.add_argument("--rounds", type=whole(1, 10_000_000), default=3)
    return parser.parse_args()


def main() -> None:
    options = parse()
    with drain_ways.scratch_database() as vendor:
        ways = drain_ways.ways()
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                rates[name].append(options.records / way(options.records))
    report(vendor, {name: statistics.median(values) for name, values in rates.items()})


def report(vendor: str, rates: dict[str, float]) -> None:
    bare = rates.pop("bare")
    print(f"{vendor}: bare insert loop {bare:.0f} rows/s")
    for name, rate in rates.items():
        target = TARGETS[name]
        wanted = f", target {target}" if target else ""
        print(f"{name}: {rate:.0f} records/s ({rate / bare:.2f} of the bare loop{wanted})")


if __name__ == "__main__":
    main()
