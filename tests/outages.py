"""Things that go away for a while: the database, the broker's messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import redis
from django.db import connection
from django_q.models import OrmQ
from psycopg import sql

REDIS_NUMBER = 12
"""The Redis database that these tests may flush."""


@contextmanager
def database_refused() -> Iterator[None]:
    """The test database throws everybody out and lets nobody in."""
    name = connection.settings_dict["NAME"]
    server = {key: connection.settings_dict[key.upper()] or None for key in ("host", "port", "user", "password")}
    connection.close()
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as console:
        database = sql.Identifier(name)
        console.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        console.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            console.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))


def redis_url() -> str:
    """A Redis database for the tests; skips the test when no server answers."""
    url = f"{(os.environ.get('REDIS_URL') or 'redis://127.0.0.1:6379').rsplit('/', 1)[0]}"
    url = f"redis://127.0.0.1:6379/{REDIS_NUMBER}" if url == "redis:/" else f"{url}/{REDIS_NUMBER}"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except redis.RedisError:
        pytest.skip("no Redis answers at REDIS_URL or 127.0.0.1:6379")
    return url


def use_broker(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters that are started from here on use this broker."""
    if name == "redis":
        url = redis_url()
        redis.Redis.from_url(url).flushdb()
        monkeypatch.setenv("ORCA_BROKER", "redis")
        monkeypatch.setenv("REDIS_URL", url)


def lose_every_message(broker: str) -> int:
    """Empty the broker; returns how many messages were lost."""
    if broker == "redis":
        client = redis.Redis.from_url(redis_url())
        lost = sum(client.llen(key) for key in client.keys("django_q:*:q"))
        client.flushdb()
        return lost
    return OrmQ.objects.all().delete()[0]
