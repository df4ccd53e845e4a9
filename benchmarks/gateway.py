"""What the gateway costs and how fast it is, beside the LiteLLM proxy and Portkey's gateway in the same run.

    python -m benchmarks.gateway [--seconds 6] [--parts clients streams workers large] [--no-peers]

`clients`: time added and requests a second at 1, 4, 16 and 64 clients, one worker each. `streams`: CPU of a chunk, time
to the first token. `workers`: two workers, and cache hits. `large`: a small request beside four clients that send 7 MB,
again and again or a few a second, and beside four that get 7 MB each; and who used the processors.

The provider is the simulated one, at 0 ms, in a process of its own; for `large` one that drops what it is sent. The
gateway runs as in production with everything on: key check, request, token, parallel and budget limits, masking (but
for `large`), encryption, the durable record, the cache (read and written; each question is new). The others are
installed on demand into folders of their own; LiteLLM runs with its master key alone, Portkey without any: no limits,
encryption, database or cache. CPU is what the server's processes used, by /proc, so that the load generator and the
provider do not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from benchmarks.gateway_large import KINDS, Machine, beside_large, database_name
from benchmarks.gateway_servers import (
    MODEL,
    ROOT,
    Server,
    install_litellm,
    install_portkey,
    litellm,
    our_gateway,
    portkey,
    running,
)
from benchmarks.http_load import Load, Target, run_load
from benchmarks.processes import free_port
from orchestration.management.base import real

PROMPT = "Where does it hurt, and since when? " * 20
WORDS = 100
CLIENTS = (1, 4, 16, 64)
CONCURRENCY = 16
PARTS = ("clients", "streams", "workers", "large")
QUESTIONS = map(f"{secrets.token_hex(4)}-{{}}".format, itertools.count(1))
"""New ones in each run."""
Opened = Callable[[int], AbstractContextManager[Server]]
"""Starts a contender with so many workers."""


def bodies(*, stream: bool = False, same: bool = False) -> Iterator[bytes]:
    """Requests, each with a prompt of its own unless `same`."""
    for number in itertools.repeat(next(QUESTIONS)) if same else QUESTIONS:
        message = {"role": "user", "content": f"{number} {PROMPT}"}
        yield json.dumps({"model": MODEL, "messages": [message], "stream": stream}).encode()


def measured(server: Server, target: Target, requests: Iterator[bytes], seconds: float, concurrency: int) -> Any:
    """The load, and the CPU milliseconds that the server used for it; a second before to warm up."""
    run_load(target, requests, concurrency=concurrency, seconds=min(1.0, seconds))
    before = server.cpu_ms()
    load = run_load(target, requests, concurrency=concurrency, seconds=seconds)
    return load, server.cpu_ms() - before


def by_clients(server: Server, direct: Target, seconds: float) -> dict[str, float]:
    """Requests a second, and the milliseconds that are added to a direct request of the same run."""
    found: dict[str, float] = {}
    for clients in CLIENTS:
        plain = run_load(direct, bodies(), concurrency=clients, seconds=seconds / 2)
        load, cpu = measured(server, server.target, bodies(), seconds, clients)
        found |= {
            f"requests_per_s_at_{clients}": load.per_second,
            f"added_p50_ms_at_{clients}": load.p50() - plain.p50(),
            f"added_p99_ms_at_{clients}": load.p99() - plain.p99(),
            f"cpu_ms_per_request_at_{clients}": cpu / load.requests,
            f"direct_requests_per_s_at_{clients}": plain.per_second,
        }
    return found


def streams(server: Server, direct: Target, seconds: float) -> dict[str, float]:
    """Costs of a chunk, and what is added to the first token, one request at a time."""
    load, cpu = measured(server, server.target, bodies(stream=True), seconds, CONCURRENCY)
    through, plain = (
        run_load(target, bodies(stream=True), concurrency=1, seconds=seconds / 2) for target in (server.target, direct)
    )
    return {
        "cpu_ms_per_chunk": cpu / load.events,
        "cpu_ms_per_stream": cpu / load.requests,
        "chunks_per_stream": load.events / load.requests,
        "first_token_added_p50_ms": through.first_p50() - plain.first_p50(),
    }


def two_workers(server: Server, seconds: float, *, has_cache: bool) -> dict[str, float]:
    load, _ = measured(server, server.target, bodies(), seconds, 2 * CONCURRENCY)
    found = {"two_workers_requests_per_s": load.per_second}
    if has_cache:
        cached = Target(server.target.url, server.target.secret)
        hits: Load
        hits, cpu = measured(server, cached, bodies(same=True), seconds, 2 * CONCURRENCY)
        if hits.hits != hits.requests:
            raise SystemExit(f"Of {hits.requests} repeated requests {hits.hits} were answered from the cache.")
        found |= {"cache_hits_per_s": hits.per_second, "cpu_ms_per_hit": cpu / hits.requests}
    return found


def script(provider_url: str) -> None:
    """Every answer of the provider is the same text of WORDS words."""
    faults = [{"kind": "text", "text": "word " * WORDS, "times": 0}]
    url = provider_url.removesuffix("/v1") + "/_script"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(faults).encode(), method="POST")).close()


def environment(folder: Path, provider_url: str) -> dict[str, str]:
    """As in production: without DJANGO_DEBUG, which keeps every statement."""
    return os.environ | {
        "ORCA_VAR_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_DEBUG": "false",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "GATEWAY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "ORCA_PROVIDER": "openai",
        "ORCA_PROVIDER_API_KEY": "simulated",
        "OPENAI_BASE_URL": provider_url,
        "LOG_LEVEL": "ERROR",
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=real(0, 86_400), default=6.0, help="of each measurement")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--no-peers", action="store_true", help="measure the gateway alone")
    return parser.parse_args()


def main() -> None:
    wanted = options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        provider_url = f"http://127.0.0.1:{port}/v1"
        env = environment(folder, provider_url)
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.gateway_key"], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE
        )
        secret, unmasked = made.stdout.decode().split()[-2:]
        stack.enter_context(running([*manage, "simulated_provider", "--port", str(port)], env, port))
        script(provider_url)
        opened: dict[str, Opened] = {"gateway": partial(our_gateway, env, secret)}
        if not wanted.no_peers:
            install_litellm()
            opened["litellm"] = partial(litellm, provider_url, folder)
        report = {name: measure(opening, Target(provider_url), wanted) for name, opening in opened.items()}
        if not wanted.no_peers and install_portkey():  # which has one process
            report["portkey"] = measure(lambda _: portkey(provider_url), Target(provider_url), wanted, workers=1)
        if "large" in wanted.parts:
            report["gateway"] |= large(env, unmasked, wanted.seconds)
    tell(report)


def large(env: dict[str, str], secret: str, seconds: float) -> dict[str, float]:
    """Small requests beside large ones of each kind. The provider drops what it is sent: one that read it would take
    the processors, and answer the small ones late."""
    port, found = free_port(), dict[str, float]()
    direct = Target(f"http://127.0.0.1:{port}/v1")
    command = [sys.executable, "-m", "benchmarks.provider_server", "--port", str(port)]
    with (
        running(command, env, port) as provider,
        our_gateway(env | {"OPENAI_BASE_URL": direct.url}, secret, 1) as server,
    ):
        machine = Machine(server, provider.pid, database_name())
        for kind in KINDS:
            found |= beside_large(machine, server.target, direct, bodies, seconds, kind)
    return found


def measure(
    opened: Opened,
    direct: Target,
    wanted: argparse.Namespace,
    workers: int = 2,
) -> dict[str, float]:
    """The wanted parts of one contender."""
    found: dict[str, float] = {}
    with opened(1) as server:
        if "clients" in wanted.parts:
            found |= by_clients(server, direct, wanted.seconds)
        if "streams" in wanted.parts:
            found |= streams(server, direct, wanted.seconds)
    if "workers" in wanted.parts and workers > 1:
        with opened(workers) as server:
            found |= two_workers(server, wanted.seconds, has_cache=server.name == "gateway")
    return found


def tell(report: dict[str, dict[str, float]]) -> None:
    """All, and how often one contains the gateway's."""
    ours = report["gateway"]
    for name in [name for name in report if name != "gateway"]:
        report[f"{name} / gateway"] = {what: value / ours[what] for what, value in report[name].items() if ours[what]}
    print(json.dumps({who: {name: round(v, 3) for name, v in of.items()} for who, of in report.items()}, indent=2))


if __name__ == "__main__":
    main()
