"""Our brokers: a queue per node before the common one, and a client that does not wait for a server that is away."""

import os
import socket
import time

import pytest
import redis
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from orchestration.django_q import brokers
from orchestration.django_q import redis_broker as redis_broker_module
from orchestration.django_q.brokers import OrmBroker
from orchestration.django_q.redis_broker import RedisBroker

REDIS = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/9"


def message(name):
    """A task that workers may run."""
    task = {"id": name, "name": name, "func": "orchestration.tasks.sweep", "args": (), "kwargs": {}}
    return SignedPackage.dumps(task | {"started": timezone.now()})


def taken(broker):
    """The names of the tasks that a broker gives out."""
    return [SignedPackage.loads(payload)["name"] for _, payload in broker.dequeue()]


@pytest.fixture
def redis_broker(monkeypatch):
    """A broker on a real Redis, with a queue of its own."""
    monkeypatch.setattr(brokers.Conf, "REDIS", REDIS)
    broker = RedisBroker(list_key=f"test-{os.getpid()}-{time.monotonic_ns()}")
    try:
        broker.ping()
    except redis.RedisError:
        pytest.skip(f"no Redis answers at {REDIS.rpartition('@')[2]}")
    yield broker
    broker.delete_queue()
    RedisBroker(list_key="node.here").delete_queue()


@pytest.fixture
def orm_broker():
    made = OrmBroker(list_key="common")
    yield made
    made.close()


@pytest.mark.django_db
def test_messages_come_in_the_order_they_were_sent(orm_broker):
    for name in ("first", "second"):
        orm_broker.enqueue(message(name))
    assert [*taken(orm_broker), *taken(orm_broker)] == ["first", "second"]
    assert orm_broker.dequeue() is None


@pytest.mark.django_db
def test_a_message_is_given_out_once_and_gone_when_acknowledged(orm_broker):
    orm_broker.enqueue(message("only"))
    ((number, _),) = orm_broker.dequeue()
    assert orm_broker.dequeue() is None
    orm_broker.acknowledge(number)
    assert not OrmQ.objects.exists()


@pytest.mark.django_db
def test_a_nodes_own_message_comes_before_the_common_ones(orm_broker, monkeypatch):
    monkeypatch.setenv("ORCA_NODE_NAME", "here")
    orm_broker.enqueue(message("common"))
    OrmBroker(list_key="node.here").enqueue(message("own"))
    assert taken(orm_broker) == ["own"]
    assert taken(orm_broker) == ["common"]


@pytest.mark.django_db
def test_a_nodes_messages_are_not_given_to_another_node(orm_broker, monkeypatch):
    monkeypatch.setenv("ORCA_NODE_NAME", "there")
    OrmBroker(list_key="node.here").enqueue("own")
    assert orm_broker.dequeue() is None


@pytest.mark.django_db
def test_a_nodes_queue_holds_the_newest_message_only(monkeypatch):
    own = OrmBroker(list_key="node.here")
    for payload in ("old", "new"):
        own.enqueue(payload)
    assert list(OrmQ.objects.values_list("payload", flat=True)) == ["new"]


@pytest.mark.django_db
def test_an_idle_broker_polls_its_own_queue_every_second(orm_broker, monkeypatch, django_assert_num_queries):
    monkeypatch.setenv("ORCA_NODE_NAME", "here")
    monkeypatch.setattr(brokers.Conf, "POLL", 0.01)
    with django_assert_num_queries(2):
        assert orm_broker.dequeue() is None
    with django_assert_num_queries(1):
        assert orm_broker.dequeue() is None


def test_redis_gives_a_nodes_own_message_first(redis_broker, monkeypatch):
    monkeypatch.setenv("ORCA_NODE_NAME", "here")
    redis_broker.enqueue(message("common"))
    for name in ("old", "new"):
        RedisBroker(list_key="node.here").enqueue(message(name))
    assert taken(redis_broker) == ["new"]
    assert taken(redis_broker) == ["common"]


@pytest.mark.django_db
def test_redis_gives_out_nothing_that_may_not_run(redis_broker):
    for payload in ("garbage", SignedPackage.dumps({"func": "os.system"}), message("sound")):
        redis_broker.enqueue(payload)
    assert [redis_broker.dequeue(), redis_broker.dequeue()] == [[], []]
    assert taken(redis_broker) == ["sound"]


def test_the_heartbeat_of_a_gone_node_expires_in_redis(redis_broker):
    own = RedisBroker(list_key="node.here")
    own.enqueue("left")
    assert 0 < own.connection.ttl(own.list_key) <= redis_broker_module.REDIS_KEEP_SECONDS


def test_redis_waits_for_a_message_without_failing(redis_broker):
    started = time.monotonic()
    assert redis_broker.dequeue() is None
    assert 0.5 < time.monotonic() - started < 20


def test_every_broker_of_a_process_shares_one_client(redis_broker):
    assert RedisBroker(list_key="another").connection is redis_broker.connection


def test_a_redis_that_refuses_connections_fails_at_once(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
    monkeypatch.setattr(brokers.Conf, "REDIS", url)
    started = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        RedisBroker(list_key="test").enqueue("lost")
    assert time.monotonic() - started < 3  # redis-py by itself tries for four seconds


def test_a_redis_that_does_not_answer_is_given_up_after_a_second(monkeypatch):
    with socket.socket() as full:  # its backlog is full: the next connection is never accepted
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        monkeypatch.setattr(brokers.Conf, "REDIS", f"redis://127.0.0.1:{port}/0")
        started = time.monotonic()
        with pytest.raises(redis.RedisError):
            RedisBroker(list_key="test").enqueue("lost")
        assert time.monotonic() - started < 3
        for other in waiting:
            other.close()


def test_a_copy_with_the_same_redis_takes_no_wake_up_of_another(redis_broker, settings, monkeypatch):
    """Neither of a common queue nor of a node's own."""
    queue = redis_broker.list_key.split(":")[1]
    monkeypatch.setenv("ORCA_NODE_NAME", "here")
    brokers_of = {}
    for installation in ("live", "copy"):
        settings.INSTALLATION = installation
        brokers_of[installation] = (RedisBroker(list_key=queue), RedisBroker(list_key="node.here"))
    try:
        for number, broker in enumerate(brokers_of["live"]):
            settings.INSTALLATION = "live"
            broker.enqueue(message(f"of the live one {number}"))
        settings.INSTALLATION = "copy"
        assert brokers_of["copy"][0].dequeue() is None
        settings.INSTALLATION = "live"
        live = brokers_of["live"][0]
        assert sorted([*taken(live), *taken(live)]) == ["of the live one 0", "of the live one 1"]
        assert brokers_of["live"][1].list_key == "django_q:live:node.here:q"
    finally:
        for pair in brokers_of.values():
            for broker in pair:
                broker.delete_queue()
