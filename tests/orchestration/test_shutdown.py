"""A process that has stopped ends, whatever holds up the interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
QCLUSTER_WITH_A_THREAD_THAT_HANGS = """
import threading
import django
from django.core.management import execute_from_command_line
django.setup()
from orchestration.management.commands import qcluster
qcluster.EXIT_SECONDS = 0.5
threading.Thread(target=threading.Event().wait).start()
execute_from_command_line(["manage.py", "qcluster", "--skip-checks"])
"""
CLUSTER_THAT_SERVES = """
import multiprocessing, os, time
import django
from django.core.management import execute_from_command_line
django.setup()
from django_q.cluster import Cluster
from orchestration.engine.node import SUPERVISOR_VARIABLE
from orchestration.management.commands import qcluster
qcluster.EXIT_SECONDS = 0.2
os.environ[SUPERVISOR_VARIABLE] = str(os.getppid())
def serve():
    time.sleep(2)
    print("served", flush=True)
Cluster.start = lambda self: multiprocessing.get_context("fork").Process(target=serve).start()
execute_from_command_line(["manage.py", "qcluster", "--skip-checks", "--cluster-child"])
"""

SUPERVISOR_WITHOUT_A_DATABASE = """
import threading
import django
from django.core.management import execute_from_command_line
django.setup()
from orchestration.engine.worker import supervisor
supervisor.STOP_MARGIN_SECONDS = 0.2
def acquire(self, cancelled):
    print("waits", flush=True)
    while True:
        threading.Event().wait(60)
supervisor.Heartbeat.acquire = acquire
execute_from_command_line(["manage.py", "qcluster", "--skip-checks"])
"""


def test_a_supervisor_ends_although_a_thread_hangs():
    """As one does that waits for a database; what the interpreter waits for at its end is on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", QCLUSTER_WITH_A_THREAD_THAT_HANGS],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "ORCA_NODE_NAME": "not a name"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "a node name must be" in done.stderr
    assert "Timeout" in done.stderr
    assert "in wait" in done.stderr


def test_a_cluster_outlives_the_command_that_started_it():
    """The command returns when the cluster has started; the process stays for it."""
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER_THAT_SERVES],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "served\n"), done.stderr


def test_a_supervisor_that_waits_for_its_name_can_be_stopped():
    """As one does whose database takes its connection and never answers."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR_WITHOUT_A_DATABASE],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "in wait" in err
