"""`make upgrade-test`, small: an older version and this one side by side, with kills and migrations in between."""

import json
import subprocess
import sys

import pytest

from chaos.upgrade.base import default_base, migrations_since
from orchestration.engine.worker.process_group import ON_LINUX
from tests.environment import answers, postgres_url

SECONDS = 900


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc")
@pytest.mark.skipif(not answers(postgres_url()), reason="no PostgreSQL answers")
def test_no_call_is_lost_or_doubled_by_an_upgrade(monkeypatch):
    try:
        base = default_base()
    except ValueError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("DATABASE_URL", postgres_url())
    done = subprocess.run(
        [sys.executable, "-m", "chaos.upgrade", "--base", base, "--calls", "300", "--kills", "3", "--pace", "5"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    report = json.loads(done.stdout or "{}")
    assert (done.returncode, report.get("ok")) == (0, True), done.stdout + done.stderr
    assert report["submitted"] == report["rows"] == 300
    assert report["lost"] == report["duplicated"] == report["unaccounted"] == 0
    assert report["answers_stored_by"].keys() == {"older", "newer"}
    assert set(migrations_since(base)) <= set(report["migrations_applied"])


def test_a_version_that_git_does_not_know_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "chaos.upgrade", "--base", "no-such-tag", "--calls", "10"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "The run could not be made: ValueError: git knows no version 'no-such-tag'" in done.stderr
