"""`Q_CLUSTER` for a project's settings. Settings read it, so it imports nothing of Django."""

from typing import Any


def q_cluster(name: str = "orchestrai", *, workers: int = 2, redis_url: str = "", **options: Any) -> dict[str, Any]:
    """The options of django-q with which calls are neither lost nor repeated; `options` adds to them or replaces some.

    `name` names the queue, the same in web processes and workers, for ever. With a `redis_url` Redis is the broker,
    else the database is. Times are in seconds, `max_rss` in kilobytes.
    """
    brokers = "orchestration.django_q"
    broker: dict[str, Any] = (
        {"broker_class": f"{brokers}.redis_broker.RedisBroker", "redis": redis_url}
        if redis_url
        else {"broker_class": f"{brokers}.brokers.OrmBroker", "orm": "default"}
    )
    return {
        "name": name,
        "workers": workers,
        "queue_limit": workers,
        "bulk": 1,
        "poll": 0.2,
        "guard_cycle": 0.5,
        "timeout": 150,
        "retry": 600,
        "ack_failures": True,
        "max_attempts": 1,
        "save_limit": -1,
        "recycle": 500,
        "max_rss": 500_000,
        "catch_up": False,
        "label": "django-q",
        "log_level": "WARNING",
        **broker,
        **options,
    }
