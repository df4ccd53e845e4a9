"""`make run`, as a process: the main job over HTTP with both servers, what else is documented, what it refuses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.consensus.decision import decide
from apps.devtools.runner import Interrupt, Refused, Stopped, parse, prepare
from apps.devtools.smoke import Outcome, report
from orchestration.models import ServiceCallRecord
from tests.leftovers import RUN_VARIABLE, leftovers

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = "127.0.0.1:8000"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, *arguments, **variables):
    """`python -m apps.devtools.runner` on an empty database of its own, with the product's settings."""
    kept = {name: os.environ[name] for name in ("PATH", RUN_VARIABLE)}
    environment = {**kept, "ORCA_VAR_DIR": str(folder), "ORCA_NODE_NAME": "run", **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "apps.devtools.runner", *arguments],
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


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_the_main_job_runs_again_and_leaves_nothing_behind(tmp_path):
    """On one database: interrupted while it starts, once, and serving until Ctrl-C while documented commands run."""
    interrupted_while_it_starts(tmp_path)
    first = once(tmp_path)
    second = served_until_interrupted(tmp_path)
    assert message_numbers(second)[: len(message_numbers(first))] == message_numbers(first)
    assert len(message_numbers(second)) >= len(message_numbers(first)) + 2  # the same patient is asked another question


def interrupted_while_it_starts(folder):
    process = start(folder, "--once", "--port", str(free_port()))
    for line in process.stdout:
        if line.startswith("starting"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    ended(process, status=1)


def once(folder):
    """What it said."""
    out = ended(start(folder, "--once", "--port", str(free_port())), status=0)
    assert "Answers are SIMULATED" in out
    assert out.count("succeeded, 1 attempt(s)") == 2
    assert "/admin/  sign in as admin@example.com" in out
    return out


def served_until_interrupted(folder):
    """What it said until it served."""
    port = free_port()
    process = start(folder, "--port", str(port))
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("Serving until Ctrl-C"):
                documented_commands(f"127.0.0.1:{port}", folder)
                break
    finally:
        process.send_signal(signal.SIGINT)
    ended(process, status=0)
    return "".join(said)


def ended(process, *, status):
    """Its output; it ends as it should and leaves no process behind."""
    found, out, err = finish(process)
    assert found == status, err
    assert not leftovers(os.environ[RUN_VARIABLE])
    return out


def message_numbers(output):
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("  message ")]


def documented_commands(served, folder):
    """The shell commands of docs/consensus.md, run as they stand there."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "consensus.md").read_text(), re.DOTALL)
    review, own_key = (asked(block, served, folder) for block in blocks if DOCUMENTED in block)
    assert review["status"] == "completed"
    assert len(review["reviews"]) == 5
    verdict = decide(review["reviews"])
    assert review["decision"]["decision"] == verdict.decision
    assert review["decision"]["overall_weighted_confidence"] == str(verdict.overall_weighted_confidence)
    assert own_key["secret"].startswith("orca_")
    assert own_key["scopes"] == ["runs:read", "runs:write"]


def asked(command, served, folder):
    """The JSON that a shell command prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace(DOCUMENTED, served)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_signal_that_a_finalizer_swallowed_is_not_lost():
    asked = Interrupt()
    with pytest.raises(Stopped):
        asked(signal.SIGINT, None)  # as in a finalizer, whose exceptions nobody gets
    with pytest.raises(Stopped):
        asked.check()


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
def test_a_port_that_is_none_is_refused(port, capsys):
    with pytest.raises(SystemExit) as refused:
        parse(["--port", port])
    assert refused.value.code == 2
    assert "a port is a number from 1 to 65535" in capsys.readouterr().err


def test_it_is_refused_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(Refused, match="needs DJANGO_DEBUG=true"):
        prepare(free_port())


def test_unreadable_settings_are_named_without_a_traceback(tmp_path):
    status, _, err = finish(start(tmp_path, "--once", Q_WORKERS="many"))
    assert status == 1
    assert err == "Settings: Q_WORKERS='many': write a whole number, 1 or more.\n"


def test_rows_that_are_not_there_are_not_complete():
    assert Outcome(calls=[], messages=[]).complete is False
    call = ServiceCallRecord(service_identity="services.a.b.C", status="succeeded")
    outcome = Outcome(calls=[call], messages=[])
    assert outcome.complete is False
    assert "services.a.b.C: succeeded" in report(outcome)[0]
