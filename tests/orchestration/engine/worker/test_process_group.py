"""What a supervised process group leaves behind: nothing. Each test runs a small supervisor in a process of its own."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from orchestration.engine.worker.process_group import ON_LINUX, ProcessGroup, children_of, is_alive

SLEEP = "import time\ntime.sleep(60)"
FAMILY = """
import os, subprocess, sys, time
from orchestration.engine.worker.process_group import die_with_parent
die_with_parent(int(sys.argv[1]))
def tell():  # in one write, for three processes write to one pipe
    os.write(1, b"%d\\n" % os.getpid())
if os.fork() == 0:
    tell()
    if os.fork() == 0:
        tell()
    time.sleep(60)
tell()
time.sleep(60)
"""
STRAY = """
import os, subprocess, sys, time
stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(stray.pid, flush=True)
"""
SUPERVISOR = """
import os, sys, time
from orchestration.engine.worker.process_group import ProcessGroup, adopt_orphans
adopt_orphans()
group = ProcessGroup([sys.executable, "-c", sys.argv[1], str(os.getpid())], os.environ)
if sys.argv[2] == "kill":
    while not group.exited():
        time.sleep(0.05)
    group.kill()
    print("killed", flush=True)
time.sleep(60)
"""


@pytest.fixture
def supervisor():
    started = []

    def start(child, then="wait"):
        command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), child, then]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def gone(pid, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not is_alive(pid) or state_of(pid) == "Z":
            return True
        time.sleep(0.05)
    return False


def state_of(pid):
    """`Z`: ended, and not yet noticed by the process that adopted it."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def running_group(script):
    return ProcessGroup([sys.executable, "-c", script], os.environ)


def test_a_group_reports_the_end_and_status_of_its_main_process():
    group = running_group("raise SystemExit(7)")
    assert group.wait(10)
    assert group.kill() == 7


def test_a_group_is_killed_with_its_main_process_still_running():
    group = running_group(SLEEP)
    assert group.exited() is False
    assert group.kill() == -signal.SIGKILL
    assert not is_alive(group.pid)


def test_asking_to_stop_reaches_the_main_process_only():
    group = running_group("import signal\nsignal.sigwait([signal.SIGUSR1])")
    group.terminate()
    assert group.wait(10)
    assert group.kill() == -signal.SIGTERM


def test_waiting_for_a_process_that_does_not_end_gives_up():
    group = running_group(SLEEP)
    assert group.wait(0.2) is False
    group.kill()


def test_children_are_found_by_their_parent():
    group = running_group(SLEEP)
    assert group.pid in children_of(os.getpid())
    group.kill()
    assert group.pid not in children_of(os.getpid())


@pytest.mark.skipif(not ON_LINUX, reason="parent death signals are Linux's")
def test_the_whole_family_dies_with_a_killed_supervisor(supervisor):
    process = supervisor(FAMILY)
    family = [int(process.stdout.readline()) for _ in range(3)]
    assert [pid for pid in family if is_alive(pid)] == family
    process.kill()
    process.wait()
    assert [pid for pid in family if not gone(pid)] == []


@pytest.mark.skipif(not ON_LINUX, reason="parent death signals are Linux's")
def test_the_family_dies_with_its_main_process(supervisor):
    process = supervisor(FAMILY)
    first, second, third = (int(process.stdout.readline()) for _ in range(3))
    main = next(children_of(process.pid))
    os.kill(main, signal.SIGKILL)
    assert [pid for pid in {first, second, third} - {main} if not gone(pid)] == []


@pytest.mark.skipif(not ON_LINUX, reason="only Linux lets a process adopt orphans")
def test_an_orphan_in_a_session_of_its_own_is_killed_too(supervisor):
    process = supervisor(STRAY, "kill")
    stray = int(process.stdout.readline())
    assert process.stdout.readline() == "killed\n"
    assert gone(stray)


def test_killing_one_group_leaves_another_alone():
    first, second = running_group(SLEEP), running_group(SLEEP)
    first.kill()
    assert second.exited() is False
    assert second.kill() == -signal.SIGKILL
