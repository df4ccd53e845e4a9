"""The tests' settings with a second database that takes every table; both are files in the folder of the process."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403 - the same in all else

DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(os.environ["ORCA_VAR_DIR"]) / f"{name}.sqlite3")}
    for name in ("default", "other")
}
DATABASE_ROUTERS: list[str] = []
