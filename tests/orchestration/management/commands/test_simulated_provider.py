"""`manage.py simulated_provider` as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and its base URL."""
    command = [sys.executable, "manage.py", "simulated_provider", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True, env=os.environ.copy())
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[2]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "requests.jsonl"
    with started("--latency-ms", "5", "--request-log", str(log)) as (process, base_url):
        body = json.dumps({"model": "m", "input": "Hello"}).encode()
        with urllib.request.urlopen(f"{base_url}/responses", data=body, timeout=20) as response:
            assert json.load(response)["simulated"] is True
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0
    assert "Stopped after 1 requests." in output
    assert [json.loads(line)["outcome"] for line in log.read_text().splitlines()] == ["open", "answered"]


def test_a_busy_port_is_a_clear_message() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} on 127.0.0.1 is in use; choose another with --port"):
            call_command("simulated_provider", port=port)


@pytest.mark.parametrize(("option", "value"), [("--port", "70000"), ("--latency-ms", "-1"), ("--pace-ms", "-1")])
def test_impossible_options_are_refused(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"{option}: must be a whole number from 0 to"):
        call_command("simulated_provider", option, value)


def test_a_log_that_cannot_be_written_is_a_clear_message(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("simulated_provider", port=0, request_log=tmp_path / "missing" / "requests.jsonl")
