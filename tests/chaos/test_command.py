"""`python -m chaos` itself, small: it strikes, compares, reports, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys

import psycopg
import pytest

from orchestration.engine.worker.process_group import ON_LINUX
from tests.environment import answers, postgres_url

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc"),
]
SMALL = ["--calls", "24", "--kills", "3", "--pace", "1.5", "--seed", "5", "--nodes", "1"]


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaos", *arguments], capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.long
def test_a_small_run_on_sqlite_agrees_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = chaos(*SMALL)
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), done.stdout
    assert report["submitted"] == report["rows"] == 24
    assert report["lost"] == report["duplicated"] == report["falsely_persisted"] == report["out_of_order"] == 0
    assert report["unaccounted"] == 0
    assert sum(count for kind, count in report["strikes"].items() if kind not in {"broker", "database"}) == 3
    assert report["processes_left_behind"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.skipif(not answers(postgres_url()), reason="no PostgreSQL answers")
def test_a_run_on_postgres_drops_its_database():
    before = databases()
    done = chaos(*SMALL, "--calls", "8", "--kills", "1", "--db", "postgres", "--postgres-url", postgres_url())
    assert done.returncode == 0, done.stdout + done.stderr
    assert databases() <= before


def databases() -> set[str]:
    with psycopg.connect(postgres_url()) as console:
        return {name for (name,) in console.execute("SELECT datname FROM pg_database WHERE datname LIKE 'chaos\\_%'")}


def test_a_server_that_is_not_there_is_named():
    done = chaos("--db", "postgres", "--postgres-url", "postgres://nobody@127.0.0.1:1/x")
    assert done.returncode == 2
    assert "The run could not be prepared: OperationalError" in done.stderr
