"""What the gateway costs and how fast it is, beside the LiteLLM proxy in the same run.

    python -m benchmarks.gateway [--seconds 6] [--no-litellm]

The provider is the simulated one, at 0 ms, in a process of its own. The gateway runs with everything on: key check,
request, token, parallel and budget limits, encryption, the durable record; the cache is passed by except where hits are
measured. LiteLLM is installed on demand into a folder of its own and runs with its master key alone: without limits,
encryption, database and cache. CPU is what the server's processes used, by /proc, so that the load generator and the
provider do not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.http_load import Load, Target, run_load
from benchmarks.throughput import free_port, wait_for_port
from orchestration.engine.processes import children_of

ROOT = Path(__file__).resolve().parent.parent
LITELLM = ROOT / ".clients" / "litellm"
LITELLM_PACKAGE = "litellm[proxy]"
MODEL = "gpt-4o-mini"
PROMPT = "Where does it hurt, and since when? " * 20
WORDS = 100
CONCURRENCY = 16
TICKS = os.sysconf("SC_CLK_TCK")
NOT_CACHED = "Cache-Control: no-store\r\n"
SERVER_SECONDS = 90


class Server:
    """A server and its worker processes."""

    def __init__(self, name: str, target: Target, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.target = target
        self._process = process

    def cpu_ms(self) -> float:
        """CPU time that its processes used so far."""
        pids = [self._process.pid, *children_of(self._process.pid)]
        pids += [grandchild for pid in pids[1:] for grandchild in children_of(pid)]
        ticks = 0
        for pid in set(pids):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS * 1000


@contextmanager
def running(command: list[str], env: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from when it listens until the end of the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, port, log)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Any) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            wait_for_port(port)
        except SystemExit:
            continue
        return
    log.seek(0)
    raise SystemExit(f"{process.args!r:.200} did not start:\n{log.read()[-3000:].decode(errors='replace')}")


@contextmanager
def our_gateway(env: dict[str, str], secret: str, workers: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(workers), "--log-level", "error", "config.asgi:application"]
    with running(command, env, port) as process:
        yield Server("gateway", Target(f"http://127.0.0.1:{port}/v1", secret, NOT_CACHED), process)


@contextmanager
def litellm(provider_url: str, folder: Path, workers: int) -> Iterator[Server]:
    port = free_port()
    params = {"model": f"openai/{MODEL}", "api_base": provider_url, "api_key": "none"}
    config = folder / "litellm.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": params}]}))
    command = [str(LITELLM / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", str(workers)]
    env = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    secret = f"sk-{secrets.token_hex(32)}"
    quiet["LITELLM_MASTER_KEY"] = secret  # it does not start without one
    with running(command, env | quiet, port) as process:
        yield Server("litellm", Target(f"http://127.0.0.1:{port}/v1", secret), process)


def install_litellm() -> None:
    """Into a folder of its own, once."""
    if (LITELLM / "bin" / "litellm").exists():
        return
    shutil.rmtree(LITELLM, ignore_errors=True)
    venv.create(LITELLM, with_pip=True)
    subprocess.run([LITELLM / "bin" / "pip", "install", "--quiet", LITELLM_PACKAGE], check=True)


def bodies(*, stream: bool = False, same: bool = False) -> Iterator[bytes]:
    """Requests, each with a prompt of its own unless `same`."""
    for number in itertools.repeat(0) if same else itertools.count():
        message = {"role": "user", "content": f"{number} {PROMPT}"}
        yield json.dumps({"model": MODEL, "messages": [message], "stream": stream}).encode()


def measured(server: Server, target: Target, requests: Iterator[bytes], seconds: float, concurrency: int) -> Any:
    """The load, and the CPU milliseconds that the server used for it; a second before to warm up."""
    run_load(target, requests, concurrency=concurrency, seconds=min(1.0, seconds))
    before = server.cpu_ms()
    load = run_load(target, requests, concurrency=concurrency, seconds=seconds)
    return load, server.cpu_ms() - before


def one_worker(server: Server, direct: Target, seconds: float) -> dict[str, float]:
    """Costs of a request and of a chunk, and what is added to the first token; one request at a time for the latter."""
    json_load, json_cpu = measured(server, server.target, bodies(), seconds, CONCURRENCY)
    stream_load, stream_cpu = measured(server, server.target, bodies(stream=True), seconds, CONCURRENCY)
    through, plain = (
        run_load(target, bodies(stream=True), concurrency=1, seconds=seconds / 2) for target in (server.target, direct)
    )
    return {
        "cpu_ms_per_json_request": json_cpu / json_load.requests,
        "json_requests_per_s": json_load.per_second,
        "json_p50_ms": json_load.p50(),
        "cpu_ms_per_chunk": stream_cpu / stream_load.events,
        "cpu_ms_per_stream": stream_cpu / stream_load.requests,
        "chunks_per_stream": stream_load.events / stream_load.requests,
        "first_token_overhead_p50_ms": through.first_p50() - plain.first_p50(),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--no-litellm", action="store_true", help="measure the gateway alone")
    options = parser.parse_args()
    if not options.no_litellm:
        install_litellm()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        provider_url = f"http://127.0.0.1:{port}/v1"
        env = os.environ | {
            "ORCA_VAR_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ORCA_PROVIDER": "openai",
            "ORCA_PROVIDER_API_KEY": "simulated",
            "OPENAI_BASE_URL": provider_url,
            "LOG_LEVEL": "ERROR",
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.gateway_key"], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE
        )
        secret = made.stdout.decode().split()[-1]
        stack.enter_context(running([*manage, "simulated_provider", "--port", str(port)], env, port))
        script(provider_url)
        direct = Target(provider_url)
        report: dict[str, dict[str, float]] = {}
        with our_gateway(env, secret, 1) as server:
            report["gateway"] = one_worker(server, direct, options.seconds)
        if not options.no_litellm:
            with litellm(provider_url, folder, 1) as server:
                report["litellm"] = one_worker(server, direct, options.seconds)
        with our_gateway(env, secret, 2) as server:
            report["gateway"] |= two_workers(server, options.seconds, has_cache=True)
        if not options.no_litellm:
            with litellm(provider_url, folder, 2) as server:
                report["litellm"] |= two_workers(server, options.seconds, has_cache=False)
    tell(report)


def tell(report: dict[str, dict[str, float]]) -> None:
    """Both, and how often one contains the other."""
    if "litellm" in report:
        report["ratio"] = {
            name: value / report["gateway"][name]
            for name, value in report["litellm"].items()
            if report["gateway"][name]
        }
    print(json.dumps({who: {name: round(v, 3) for name, v in of.items()} for who, of in report.items()}, indent=2))


if __name__ == "__main__":
    main()
