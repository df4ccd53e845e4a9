"""A worker of Procrastinate: `python -m benchmarks.peers.procrastinate_worker openai`, or `aiohttp`."""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.peers.procrastinate_openai import app
from benchmarks.peers.surroundings import CONCURRENCY

if __name__ == "__main__":
    import_module(f"benchmarks.peers.procrastinate_{sys.argv[1]}")
    app.run_worker(concurrency=CONCURRENCY)
