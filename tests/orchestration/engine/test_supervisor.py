"""The real supervisor over the real cluster, on the test database."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psycopg
import pytest
import redis
from django.db import connection
from psycopg import sql

from orchestration.engine.processes import ON_LINUX, is_alive
from orchestration.engine.supervisor import Backoff
from tests.clusters import RunningCluster, environment, running_cluster, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc"),
]


def pipe_reader(pids):
    """The idle worker that holds the task queue's lock: it reads the pipe, the others wait for the lock."""
    reading = [pid for pid in sorted(pids) if system_call(pid) == "0"]
    assert reading, "no process waits for a task"
    return reading[0]


def system_call(pid):
    with open(f"/proc/{pid}/syscall") as status:
        return status.read().split()[0]


@pytest.mark.postgres
def test_a_cluster_stops_when_it_is_asked_and_leaves_nothing(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        assert len(everything) >= 5
        assert cluster.stop() == 0
        assert not any(is_alive(pid) for pid in everything)
        assert cluster.row.stopping is True
        assert not (tmp_path / "run" / "test.stopping").exists()


def test_a_killed_main_process_is_replaced(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        os.kill(cluster.main, signal.SIGKILL)
        until(lambda: cluster.row.restarts == 1, "a counted restart")
        assert not any(is_alive(pid) for pid in everything)
        cluster.wait_until_it_works()
        assert cluster.row.last_restart_reason == "the cluster's main process ended"


def test_a_killed_sentinel_takes_its_cluster_with_it_and_is_replaced(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        os.kill(cluster.sentinel, signal.SIGKILL)
        until(lambda: cluster.row.restarts == 1, "a counted restart")
        assert not any(is_alive(pid) for pid in everything)
        cluster.wait_until_it_works()


@pytest.mark.postgres
def test_a_cluster_whose_idle_worker_was_killed_is_found_to_stand_still(tmp_path):
    with running_cluster(tmp_path) as cluster:
        workers = cluster.processes() - {cluster.main, cluster.sentinel}
        os.kill(pipe_reader(workers), signal.SIGKILL)
        until(lambda: cluster.row.restarts == 1, "a counted restart")
        assert cluster.row.last_restart_reason.startswith("wedged: no heartbeat task ran")
        cluster.wait_until_it_works()


def test_a_cluster_that_acknowledges_nothing_is_found_to_stand_still(tmp_path):
    with running_cluster(tmp_path) as cluster:
        monitor = sorted(cluster.processes() - {cluster.main, cluster.sentinel})[-2]
        os.kill(monitor, signal.SIGKILL)
        until(lambda: cluster.row.restarts == 1, "a counted restart")
        assert cluster.row.last_restart_reason.startswith("wedged: no result was acknowledged")


def test_nothing_survives_a_killed_supervisor(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        cluster.process.kill()
        cluster.process.wait()
        until(lambda: not any(is_alive(pid) for pid in everything), "the end of every process")


def test_after_a_killed_supervisor_the_next_one_takes_the_name_at_once(tmp_path):
    with running_cluster(tmp_path) as first:
        first.process.kill()
        first.process.wait()
    with running_cluster(tmp_path) as second:
        assert second.row.pid == second.process.pid


def test_a_second_supervisor_on_the_same_machine_is_refused(tmp_path):
    with running_cluster(tmp_path) as first:
        second = RunningCluster("test", tmp_path / "run", tmp_path / "second.log")
        assert second.process.wait(30) == 1
        assert "already runs as node 'test'" in second.log.read_text()
        assert first.process.poll() is None


def test_a_second_supervisor_on_another_machine_is_refused(tmp_path):
    with running_cluster(tmp_path):
        second = RunningCluster("test", tmp_path / "elsewhere", tmp_path / "second.log")
        assert second.process.wait(30) == 1
        assert "Node 'test' is alive on host" in second.log.read_text()


@pytest.mark.postgres
def test_two_nodes_share_a_database_and_each_runs_its_own_heartbeats(tmp_path):
    with running_cluster(tmp_path, "one") as one, running_cluster(tmp_path, "two") as two:
        one.wait_until_it_works()
        two.wait_until_it_works()
        os.kill(one.process.pid, signal.SIGSTOP)  # stops sending; its cluster still serves its own queue only
        two.wait_until_it_works()
        os.kill(one.process.pid, signal.SIGCONT)
        assert one.stop() == 0
        assert two.stop() == 0


def test_the_waits_between_restarts_double_and_are_reset_by_health():
    backoff = Backoff()
    assert [backoff.after(lived=5) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(lived=60) == 1
    assert backoff.after(lived=5) == 2


def test_a_cluster_on_redis_heals_like_any_other(tmp_path, monkeypatch):
    url = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/9"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except redis.RedisError:
        pytest.skip("no Redis answers at REDIS_URL or 127.0.0.1:6379")
    monkeypatch.setenv("ORCA_BROKER", "redis")
    monkeypatch.setenv("REDIS_URL", url)
    with running_cluster(tmp_path, "on-redis") as cluster:
        workers = cluster.processes() - {cluster.main, cluster.sentinel}
        os.kill(pipe_reader(workers), signal.SIGKILL)
        until(lambda: cluster.row.restarts == 1, "a counted restart")
        cluster.wait_until_it_works()
        assert cluster.stop() == 0


def test_run_once_runs_a_cluster_that_stops_by_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "django", "qcluster", "--skip-checks", "--run-once"],
        env={**environment(tmp_path / "run"), "ORCA_NODE_NAME": "once"},
        timeout=120,
    )
    assert done.returncode == 0


def test_a_cluster_that_does_not_stop_is_killed_after_the_grace(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        os.kill(cluster.sentinel, signal.SIGSTOP)  # the main process waits for it, for ever
        assert cluster.stop() == 0
        assert not any(is_alive(pid) for pid in everything)
        assert "cluster did not stop in time" in cluster.log.read_text()


def test_workers_are_told_to_stop_by_a_file(tmp_path):
    with running_cluster(tmp_path) as cluster:
        os.kill(cluster.sentinel, signal.SIGSTOP)
        cluster.process.send_signal(signal.SIGTERM)
        until(lambda: (tmp_path / "run" / "test.stopping").exists(), "the stop file")
        os.kill(cluster.sentinel, signal.SIGCONT)
        assert cluster.process.wait(40) == 0


@pytest.mark.postgres_only
def test_a_database_outage_restarts_nothing(tmp_path):
    """Longer than a wedge would need; django-q's own processes take ten seconds to come back."""
    with running_cluster(tmp_path, TICK_SECONDS=2, WEDGED_AFTER_SECONDS=15) as cluster:
        with database_refused():
            time.sleep(16)
        cluster.wait_until_it_works()
        assert cluster.row.restarts == 0
        assert "beat not written node=test error=" in cluster.log.read_text()
        assert cluster.stop() == 0


@contextmanager
def database_refused():
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
