"""The servers of the gateway's benchmark: ours, LiteLLM's proxy and Portkey's gateway."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.http_load import Target
from benchmarks.processes import free_port, tree_cpu, wait_for_port
from orchestration.engine.worker.process_group import children_of

ROOT = Path(__file__).resolve().parent.parent
LITELLM = ROOT / ".clients" / "litellm"
LITELLM_PACKAGE = "litellm[proxy]==1.108.7"
PORTKEY = ROOT / ".clients" / "portkey"
PORTKEY_PACKAGE = "@portkey-ai/gateway@1.15.2"
MODEL = "gpt-4o-mini"
SERVER_SECONDS = 90


class Server:
    """A server and its worker processes."""

    def __init__(self, name: str, target: Target, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.target = target
        self.pid = process.pid

    def cpu_ms(self) -> float:
        """CPU time that its processes used so far."""
        return tree_cpu([self.pid]) * 1000

    def pids(self) -> list[int]:
        """Its processes."""
        workers = [*children_of(self.pid)]
        return [self.pid, *workers, *(pid for worker in workers for pid in children_of(worker))]


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
        yield Server("gateway", Target(f"http://127.0.0.1:{port}/v1", secret), process)


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


@contextmanager
def portkey(provider_url: str) -> Iterator[Server]:
    port = free_port()
    start = PORTKEY / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = f"x-portkey-provider: openai\r\nx-portkey-custom-host: {provider_url}\r\n"
    with running(["node", str(start), f"--port={port}", "--headless"], dict(os.environ), port) as process:
        yield Server("portkey", Target(f"http://127.0.0.1:{port}/v1", headers=headers), process)


def install_portkey() -> bool:
    """Into a folder of its own, once; False without npm or its registry."""
    if not (PORTKEY / "node_modules").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(PORTKEY), PORTKEY_PACKAGE]
        PORTKEY.mkdir(parents=True, exist_ok=True)
        if shutil.which("npm") is None or subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            shutil.rmtree(PORTKEY)
            return False
    return True
