"""The database as django-q's broker.

Like `redis_broker`, it also serves its node's own queue, before the common one: a heartbeat must be run by the node it
was sent to, and must not wait behind other work. A node's queue holds at most one message, the newest. Neither broker
returns a message that workers may not run.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any

from django.db import transaction
from django_q.brokers import orm
from django_q.conf import Conf
from django_q.models import OrmQ

from orchestration.clock import database_now, no_later_than_now
from orchestration.django_q.allowed_tasks import sound
from orchestration.engine.node import NODE_VARIABLE, node_queue
from orchestration.engine.queue import notifications
from orchestration.isolation import isolated

NODE_PREFIX = node_queue("")
OWN_QUEUE_SECONDS = 1.0
"""How often a database broker reads its node's own queue; Redis waits for both at once."""
LISTEN_AGAIN_SECONDS = 10.0
"""How long a database broker that cannot listen polls before it tries to listen again."""


def own_queue() -> str | None:
    """The queue of the node this process works for; None in processes that only send."""
    node = os.environ.get(NODE_VARIABLE)
    return node_queue(node) if node else None


class OrmBroker(orm.ORM):
    """The database as broker: oldest message first."""

    serves_node_queues = True

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key or Conf.CLUSTER_NAME)
        self._begin()

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._begin()

    def _begin(self) -> None:
        self._own_queue_at, self._listened_at = 0.0, -math.inf
        self._listener: notifications.Listener | None = None

    def enqueue(self, task: str) -> Any:
        messages = self.get_connection()
        with transaction.atomic(using=Conf.ORM):
            if self.list_key.startswith(NODE_PREFIX):
                self.purge_queue()  # type: ignore[no-untyped-call]
            message = messages.create(key=self.list_key or Conf.CLUSTER_NAME, payload=task, lock=no_later_than_now())
            notifications.notify(notifications.TASKS)
        return message.pk

    def dequeue(self) -> list[tuple[Any, str]] | None:
        taken = self._take(self._queue_to_read())
        if taken is None:
            self._rest()
            return None
        return sound(taken, self)

    def _rest(self) -> None:
        """Until somebody sends a task, at most POLL."""
        if self._listener is None and time.monotonic() - self._listened_at > LISTEN_AGAIN_SECONDS:
            self._listened_at, self._listener = time.monotonic(), notifications.listen(notifications.TASKS)
        if self._listener is None:
            time.sleep(Conf.POLL)
            return
        with isolated() as hearing:
            self._listener.wait(Conf.POLL)
        if hearing.error is not None:
            self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _queue_to_read(self) -> str:
        own = own_queue()
        if own is None or time.monotonic() - self._own_queue_at < OWN_QUEUE_SECONDS:
            return self.list_key
        self._own_queue_at = time.monotonic()
        return own if self._waiting(own).exists() else self.list_key

    def _waiting(self, queue: str) -> Any:
        return self.get_connection().filter(key=queue, lock__lt=database_now()).order_by("pk")

    def _take(self, queue: str) -> list[tuple[Any, str]] | None:
        """Messages that this process locked, an empty list when others were faster, None when none are waiting."""
        waiting: list[OrmQ] = list(self._waiting(queue)[: Conf.BULK])
        if not waiting:
            return None
        return [(message.pk, message.payload) for message in waiting if self._lock(message)]

    def _lock(self, message: OrmQ) -> bool:
        rows = self.get_connection().filter(pk=message.pk, lock=message.lock)
        return bool(rows.update(lock=self.timeout(message)))  # type: ignore[no-untyped-call]
