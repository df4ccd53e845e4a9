"""What the product's settings shall find in the environment during tests; imported before they are.

Each xdist worker has folders of its own. With ORCA_TEST_POSTGRES=1 (the second run of `make test`) the database is
the PostgreSQL of DATABASE_URL or of 127.0.0.1:5432, when one answers.
"""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import psycopg

LOCAL_POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
POSTGRES_WANTED = os.environ.get("ORCA_TEST_POSTGRES") == "1"


def own_folder() -> str:
    """A folder for this process's files; processes that it starts inherit it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder = Path(os.environ.get("ORCA_VAR_DIR") or Path(__file__).resolve().parent.parent / "var" / "test")
    return str(folder if folder.name == worker else folder / worker)


def postgres_url() -> str:
    """Where a PostgreSQL would be."""
    given = os.environ.get("DATABASE_URL", "")
    return given if given.startswith("postgres") else LOCAL_POSTGRES


def chromium() -> str | None:
    """The browser of the tests: $CHROMIUM, or Chromium without a window, which draws the same in a third of the time,
    or the whole one."""
    candidates = (os.environ.get("CHROMIUM", ""), "chromium-headless-shell", "chromium")
    return next(filter(None, map(shutil.which, candidates)), None)


def answers(url: str) -> bool:
    """Whether a PostgreSQL accepts connections there, within two seconds."""
    try:
        psycopg.connect(url.replace("postgres://", "postgresql://", 1), connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


gc.set_threshold(100_000, 20, 50)  # what is loaded stays, and looking through it is a seventh of the start
os.environ["ORCA_VAR_DIR"] = own_folder()
os.environ.setdefault("ORCA_SIMULATOR_PACE_MS", "0")  # nobody listens
if POSTGRES_WANTED:
    candidates = [os.environ.pop("DATABASE_URL", ""), LOCAL_POSTGRES]
    answering = [url for url in candidates if url.startswith("postgres") and answers(url)]
    if answering:
        os.environ["DATABASE_URL"] = answering[0]
