"""Every command of deploy/, run outside a container with its environment, until its health check is content."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import database_url
from tests.deploy.declared import DEPLOY, ROOT, of_compose, of_dedicated_nodes, of_systemd
from tests.deploy.machine import Machine, new_database
from tests.outages import redis_url

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.postgres_only,
    pytest.mark.timeout(400),
]
SOURCES = {"compose": of_compose, "systemd": of_systemd, "dedicated nodes": of_dedicated_nodes}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = database_url().rpartition("/")[0]
    with new_database(f"{server}/postgres", f"deployed_{os.getpid()}") as database:
        yield Machine(tmp_path, database, redis_url())


@pytest.mark.parametrize("source", SOURCES)
def test_every_process_starts_answers_and_stops(source, machine):
    """As declared, in its order: what ends by itself first, then the others beside each other."""
    processes = [machine.adapted(process) for process in SOURCES[source]()]
    for process in processes:
        if process.ends:
            machine.run(process)
    running = []
    try:
        for process in processes:
            if not process.ends:
                running.append(machine.start(process))
                assert not running[-1].is_healthy()
        for each in running:
            each.wait_until_healthy()
        machine.run(running[-1].declared, str(machine.python), "manage.py", "doctor")
        ends = {each.declared.name: each.stop() for each in running}
    finally:
        for each in running:
            each.kill()
    assert set(ends.values()) == {0}, ends
    assert not any(each.is_healthy() for each in running if each.declared.health[0] == "web")


def test_static_files_are_collected_as_in_the_image(tmp_path):
    """The build's step, with its environment."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if "collectstatic" in line and line.startswith("RUN")]
    command = line.removeprefix("RUN ").split("&&")[0].replace(".venv/bin/python", sys.executable)
    for name in ("ORCA_STATIC_DIR", "ORCA_VAR_DIR"):
        command = re.sub(rf"{name}=\S+", f"{name}={tmp_path / name}", command)
    path = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ORCA_STATIC_DIR" / "staticfiles.json").exists()
