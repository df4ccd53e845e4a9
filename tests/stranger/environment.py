"""The environment of the project's processes; needs no Django."""

from __future__ import annotations

import os
from pathlib import Path

PASSWORD = "a long password"
"""Of its superuser, whose name is root."""


def environment_of(folder: Path, settings: str, url: str = "") -> dict[str, str]:
    """For a process with one of the modules of settings beside this file; `url` is of its database, else it is SQLite
    in the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORCA_", "DJANGO_", "DATABASE_"))}
    return kept | {
        "DJANGO_SETTINGS_MODULE": f"tests.stranger.{settings}",
        "STRANGER_FOLDER": str(folder),
        "DATABASE_URL": url or f"sqlite:///{folder / 'db.sqlite3'}",
    }
