"""Where a peer finds provider, database and broker, and how much it does at once; set by `benchmarks.against_peers`."""

from __future__ import annotations

import os

PROVIDER_URL = os.environ.get("BENCH_PROVIDER_URL", "")
DATABASE_URL = os.environ.get("BENCH_DATABASE_URL", "")
REDIS_URL = os.environ.get("BENCH_REDIS_URL", "")
PROCESSES = int(os.environ.get("BENCH_PROCESSES", "2"))
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "64"))
