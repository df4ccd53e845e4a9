"""django-q's brokers as this project uses them.

Both also serve their node's own queue, before the common one: a heartbeat must be run by the node it was sent to, and
must not wait behind other work. A node's queue holds at most one message, the newest.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import Any

import redis
from django.db import transaction
from django.utils import timezone
from django_q.brokers import orm, redis_broker
from django_q.conf import Conf
from django_q.models import OrmQ
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.engine.slots import NODE_VARIABLE, node_queue

NODE_PREFIX = node_queue("")
OWN_QUEUE_SECONDS = 1.0
"""How often a database broker looks into its node's own queue; Redis waits on both at once."""
REDIS_CONNECT_SECONDS = 1.0
REDIS_ANSWER_SECONDS = 5.0
"""More than the broker's longest blocking pop, which is 1 s."""
REDIS_KEEP_SECONDS = 3600
"""How long the heartbeat of a node that is gone stays."""


def own_queue() -> str | None:
    """The queue of the node this process works for; None in processes that only send."""
    node = os.environ.get(NODE_VARIABLE)
    return node_queue(node) if node else None


class OrmBroker(orm.ORM):
    """The database as broker: oldest message first."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)
        self._own_queue_at = 0.0

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self._own_queue_at = 0.0

    def enqueue(self, task: str) -> Any:
        if not self.list_key.startswith(NODE_PREFIX):
            return super().enqueue(task)
        with transaction.atomic(using=Conf.ORM):
            self.purge_queue()
            return super().enqueue(task)

    def dequeue(self) -> list[tuple[Any, str]] | None:
        taken = self._take(self._queue_to_read())
        if taken is None:  # spare the database
            time.sleep(Conf.POLL)
        return taken

    def _queue_to_read(self) -> str:
        own = own_queue()
        if own is None or time.monotonic() - self._own_queue_at < OWN_QUEUE_SECONDS:
            return self.list_key
        self._own_queue_at = time.monotonic()
        return own if self._waiting(own).exists() else self.list_key

    def _waiting(self, queue: str) -> Any:
        return self.get_connection().filter(key=queue, lock__lt=timezone.now()).order_by("pk")

    def _take(self, queue: str) -> list[tuple[Any, str]] | None:
        """Messages this process won, an empty list when others were faster, None when there are none."""
        waiting: list[OrmQ] = list(self._waiting(queue)[: Conf.BULK])
        if not waiting:
            return None
        return [(message.pk, message.payload) for message in waiting if self._won(message)]

    def _won(self, message: OrmQ) -> bool:
        rows = self.get_connection().filter(pk=message.pk, lock=message.lock)
        return bool(rows.update(lock=self.timeout(message)))


class RedisBroker(redis_broker.Redis):
    """Redis as broker, with one client per process and no waiting for a server that is away."""

    def enqueue(self, task: str) -> Any:
        if not self._is_node_queue():
            return super().enqueue(task)
        with self.connection.pipeline() as pipeline:
            pipeline.delete(self.list_key)
            pipeline.rpush(self.list_key, task)
            pipeline.expire(self.list_key, REDIS_KEEP_SECONDS)
            return pipeline.execute()

    def dequeue(self) -> list[tuple[None, bytes]] | None:
        own = own_queue()
        keys = [f"django_q:{own}:q", self.list_key] if own else [self.list_key]
        task = self.connection.blpop(keys, 1)
        return [(None, task[1])] if task else None

    def _is_node_queue(self) -> bool:
        return str(self.list_key).startswith(f"django_q:{NODE_PREFIX}")

    @staticmethod
    def get_connection(list_key: str | None = None) -> redis.Redis:
        return _client(Conf.REDIS)


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    """The client of this process. Its pool opens new connections after a fork, so children may inherit it."""
    return redis.Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        socket_timeout=REDIS_ANSWER_SECONDS,
        health_check_interval=30,
    )
