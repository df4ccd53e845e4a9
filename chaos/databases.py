"""A new database for each run, dropped afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from chaos.options import Options


@contextmanager
def fresh_database(options: Options, name: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database; a PostgreSQL one is dropped at the end unless it is to be kept."""
    if options.db == "sqlite":
        yield f"sqlite:///{folder / 'chaos.sqlite3'}"
        return
    console_url = options.postgres_url
    with psycopg.connect(console_url, autocommit=True, connect_timeout=5) as console:
        console.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(console_url)._replace(path=f"/{name}"))
    finally:
        if not options.keep:
            with psycopg.connect(console_url, autocommit=True, connect_timeout=5) as console:
                console.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
