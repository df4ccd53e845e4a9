"""`make run`, as a process: the main job over HTTP with both servers, and what it refuses."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.main_job import Outcome, report
from orchestration.models import ServiceCallRecord
from tests.leftovers import RUN_VARIABLE, leftovers

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, *arguments, **variables):
    """`python -m config.serve` on an empty database of its own, with the product's settings."""
    kept = {name: os.environ[name] for name in ("PATH", RUN_VARIABLE)}
    environment = {**kept, "ORCA_VAR_DIR": str(folder), "ORCA_NODE_NAME": "run", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "config.serve", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, seconds=180):
    """Exit status, output and errors; killed when it takes too long."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"not within {seconds} s:\n{out}\n{err}") from None
    return process.returncode, out, err


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_the_main_job_runs_and_running_it_again_loses_nothing(tmp_path):
    status, first, err = finish(start(tmp_path, "--once", "--port", str(free_port())))
    assert status == 0, err
    assert "Answers are SIMULATED" in first
    assert first.count("succeeded, 1 attempt(s)") == 2
    assert "/admin/  sign in as admin@example.com" in first
    status, second, err = finish(start(tmp_path, "--once", "--port", str(free_port())))
    assert status == 0, err
    assert first_message_number(second) > last_message_number(first)
    assert not leftovers(os.environ[RUN_VARIABLE])


def first_message_number(output):
    return message_numbers(output)[0]


def last_message_number(output):
    return message_numbers(output)[-1]


def message_numbers(output):
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("  message ")]


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_it_serves_until_it_is_interrupted_and_leaves_nothing(tmp_path):
    process = start(tmp_path, "--port", str(free_port()))
    for line in process.stdout:
        if line.startswith("Serving until Ctrl-C"):
            break
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 0, err
    assert not leftovers(os.environ[RUN_VARIABLE])


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_an_interrupt_while_it_starts_leaves_nothing(tmp_path):
    process = start(tmp_path, "--once", "--port", str(free_port()))
    for line in process.stdout:
        if line.startswith("starting"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 1, err
    assert not leftovers(os.environ[RUN_VARIABLE])


def test_a_busy_port_is_a_clear_message_before_anything_starts(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        status, out, err = finish(start(tmp_path, "--once", "--port", str(port)))
    assert status == 1
    assert f"Cannot run: port {port} on 127.0.0.1 cannot be used" in err
    assert f"make run PORT={port + 1}" in err
    assert out == ""
    assert not (tmp_path / "db.sqlite3").exists()


@pytest.mark.parametrize("port", ["0", "70000"])
def test_a_port_that_is_none_is_refused(tmp_path, port):
    status, _, err = finish(start(tmp_path, "--port", port))
    assert status == 2
    assert "a port is a number from 1 to 65535" in err


def test_it_is_refused_in_production(tmp_path):
    variables = {"DJANGO_DEBUG": "false", "DJANGO_SECRET_KEY": "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz"}
    status, _, err = finish(start(tmp_path, "--once", **variables))
    assert status == 1
    assert "needs DJANGO_DEBUG=true" in err


def test_settings_that_cannot_be_read_are_named_without_a_traceback(tmp_path):
    status, _, err = finish(start(tmp_path, "--once", Q_WORKERS="many"))
    assert status == 1
    assert err == "Settings: Q_WORKERS='many': write a whole number, 1 or more.\n"


def test_rows_that_are_not_there_are_not_complete():
    assert Outcome(calls=[], messages=[]).complete is False
    call = ServiceCallRecord(service_identity="services.a.b.C", status="succeeded")
    outcome = Outcome(calls=[call], messages=[])
    assert outcome.complete is False
    assert "services.a.b.C: succeeded" in report(outcome)[0]
