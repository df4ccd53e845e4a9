"""The way to the broker: tasks and wake-ups are sent from here, by the engine and by what is built on it.

The broker carries no state. Whatever it loses, the database still says what is due, and the sweep finds it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Any

from django.db import DatabaseError, transaction
from django_q.tasks import async_task

from orchestration.conf import engine_settings
from orchestration.engine.queue import notifications
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import EngineCounter

logger = logging.getLogger(__name__)

RUN_TASK = "orchestration.tasks.run_service_call"

_last_wake: dict[str | None, float] = {}
_wake_lock = threading.Lock()


def wake(queue: str | None = None, *, force: bool = False) -> bool:
    """Tell the worker loops that there are due calls, and send a wake-up for another one, unless this process sent
    one within WAKE_WINDOW_SECONDS; True if it was sent.

    No call is lost by that: a worker loop stays longer than the window (LINGER_SECONDS) after its last work.
    """
    notifications.notify(notifications.CALLS)
    now = time.monotonic()
    with _wake_lock:
        if not force and now - _last_wake.get(queue, -math.inf) < engine_settings().WAKE_WINDOW_SECONDS:
            return False
        _last_wake[queue] = now
    return send_task(RUN_TASK, None, queue=queue)


def send_task(func: str, *args: Any, queue: str | None = None, timeout: int | None = None) -> bool:
    """Put one task on the broker; False when that failed, which is logged and counted, never raised.

    `timeout`: seconds after which the task's process is killed, when those of Q_CLUSTER are too few; must be below
    its `retry`.
    """
    options: dict[str, Any] = {"save": False, "ack_failure": True}
    if timeout is not None:
        options["timeout"] = timeout
    if queue:
        options["cluster"] = queue
    with isolated() as sending:  # each broker raises errors of its own
        async_task(func, *args, q_options=options)
    if sending.error is None:
        return True
    logger.warning("wake lost func=%s queue=%s error=%s", func, queue, describe(sending.error))
    _count_lost_wake()
    return False


def _count_lost_wake() -> None:
    try:
        with transaction.atomic():
            EngineCounter.add("wakes_lost")
    except DatabaseError as error:
        logger.warning("counter not written name=wakes_lost error=%s", describe(error))
