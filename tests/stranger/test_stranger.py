"""Whoever takes the package into a project that is unlike ours finds every page, and every link on it, at their own."""

import json
import os
import subprocess
import sys

import pytest

from tests.clusters import database_url
from tests.deploy.machine import new_database
from tests.stranger.environment import environment_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def visited(folder, settings, url=""):
    """What `tests/stranger/visit.py` finds wrong, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stranger.visit"],
        env=environment_of(folder, settings, url),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize("settings", ["settings", "console"])
def test_every_page_is_found_in_a_strangers_project(settings, tmp_path):
    assert visited(tmp_path, settings) == []


@pytest.mark.long
@pytest.mark.postgres_only
@pytest.mark.django_db
def test_it_is_the_same_on_postgresql(tmp_path):
    server = database_url().rpartition("/")[0]
    with new_database(f"{server}/postgres", f"stranger_{os.getpid()}") as url:
        assert visited(tmp_path, "settings", url) == []
