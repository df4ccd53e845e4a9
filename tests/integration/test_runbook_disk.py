"""docs/operations.md, "The disk is full": a small file system that holds the whole installation fills up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import environment, until
from tests.integration.runbooks import Shell, runbooks, shell

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
SIZE = "48m"
BLOCK = 65_536
SUBMIT = """python manage.py run_service engineapp.default.Triage --mode enqueue --context '{"ticket": "it burns"}'"""
COUNT = """python manage.py shell -v 0 -c '
from orchestration.models import ServiceCallRecord
calls = ServiceCallRecord.objects.all()
print("of", calls.count(), "succeeded", calls.in_status("succeeded").count())
'"""


def can_mount() -> bool:
    """Root may; in many containers not even root."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if not can_mount():
        pytest.skip("a file system of its own can be mounted by root alone")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def at(small_disk: Path, tmp_path: Path) -> Iterator[Shell]:
    """An operator's shell at an installation whose database, files and locks are on the small disk."""
    for folder in ("backups", "tmp"):
        (small_disk / folder).mkdir()
    variables = {
        **environment(small_disk / "run"),
        "DATABASE_URL": f"sqlite:///{small_disk}/db.sqlite3",
        "ORCA_VAR_DIR": str(small_disk),
        "TMPDIR": str(small_disk / "tmp"),
        "BACKUPS": str(small_disk / "backups"),
        "ORCA_NODE_NAME": "small",
    }
    with shell(variables, tmp_path) as opened:
        opened.follow("python manage.py migrate --verbosity 0")
        yield opened


def fill(file: Path) -> None:
    """To the last byte."""
    with file.open("wb", buffering=0) as old:
        try:
            while True:
                old.write(b"\0" * BLOCK)
        except OSError:
            return


def test_a_full_disk_loses_no_call_that_was_accepted(at, small_disk):
    page = runbooks()["The disk is full"]
    at.follow("python manage.py qcluster &")
    at.follow(SUBMIT)
    until(lambda: "of 1 succeeded 1" in at.follow(COUNT), "the first call", 60)
    accepted = 1
    fill(small_disk / "backups" / "last-week.old")
    at.shows("orchestration.E207", "orchestration.E208")
    for _ in range(3):
        status, _ = at.run(SUBMIT)
        accepted += status == 0
    free, count = page.blocks("Do")
    assert "would purge" in at.follow(f"{free}{count}")
    assert not list((small_disk / "backups").iterdir())
    at.follow(SUBMIT)
    accepted += 1
    until(lambda: f"of {accepted} succeeded {accepted}" in at.follow(COUNT), "every call that was accepted", 90)
    at.ends_well(page)
