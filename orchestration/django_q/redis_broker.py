"""Redis as django-q's broker; see `brokers`. Needs the package redis: `pip install orchestrai[redis]`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import redis
from django_q.brokers import redis_broker
from django_q.conf import Conf
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestration.django_q.allowed_tasks import sound
from orchestration.django_q.brokers import NODE_PREFIX, own_queue
from orchestration.typed_settings import optional_setting

REDIS_CONNECT_SECONDS = 1.0
REDIS_ANSWER_SECONDS = 5.0
"""More than the broker's longest blocking pop, which is 1 s."""
REDIS_KEEP_SECONDS = 3600
"""How long the heartbeat message of a node that is gone is kept."""


def redis_key(queue: str) -> str:
    """The Redis key of a queue of this installation; another one, such as a restored copy, may use the same Redis."""
    return ":".join(filter(None, ("django_q", optional_setting("INSTALLATION", ""), queue, "q")))


class RedisBroker(redis_broker.Redis):  # type: ignore[name-defined, misc]
    """Redis as broker, with one client per process and no waiting for a server that is away."""

    serves_node_queues = True

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)
        self.list_key = redis_key(list_key or Conf.CLUSTER_NAME)

    def enqueue(self, task: str) -> Any:
        if not self._is_node_queue():
            return super().enqueue(task)
        with self.connection.pipeline() as pipeline:
            pipeline.delete(self.list_key)
            pipeline.rpush(self.list_key, task)
            pipeline.expire(self.list_key, REDIS_KEEP_SECONDS)
            return pipeline.execute()

    def dequeue(self) -> list[tuple[None, str]] | None:
        own = own_queue()
        keys = [redis_key(own), self.list_key] if own else [self.list_key]
        task = self.connection.blpop(keys, 1)
        return sound([(None, task[1])], self) if task else None

    def _is_node_queue(self) -> bool:
        return str(self.list_key).startswith(redis_key(NODE_PREFIX).removesuffix(":q"))

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
