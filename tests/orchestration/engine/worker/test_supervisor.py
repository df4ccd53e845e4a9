"""The real supervisor over the real cluster, on the test database."""

import os
import signal
import subprocess
import sys
import time

import pytest

from orchestration.engine.worker.process_group import ON_LINUX, is_alive
from orchestration.engine.worker.supervisor import Backoff
from orchestration.engine.worker.watchdog import START_SECONDS
from tests.clusters import RunningCluster, environment, running_cluster, until
from tests.outages import database_refused

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not ON_LINUX, reason="looks at processes through /proc"),
]


def pipe_reader(pids):
    """The idle worker that holds the task queue's lock: it reads the pipe, the others wait for the lock."""
    reading = [pid for pid in pids if system_call(pid) == "0"]
    assert reading, "no process waits for a task"
    return reading[0]


def system_call(pid):
    with open(f"/proc/{pid}/syscall") as status:
        return status.read().split()[0]


@pytest.mark.long
@pytest.mark.postgres
def test_a_killed_process_has_its_cluster_replaced(tmp_path):
    """The monitor and the idle worker end their clusters silently; the reasons say how each end was found."""
    with running_cluster(tmp_path) as cluster:
        reasons = [reason_after_the_end_of(victim, cluster) for victim in (idle_worker, monitor, main, sentinel)]
        assert reasons[0].startswith("wedged: no heartbeat task ran")
        assert reasons[1].startswith("wedged: no result was acknowledged")
        assert reasons[2:] == ["the cluster's main process ended"] * 2
        everything = cluster.processes()
        assert len(everything) >= 5
        assert cluster.stop() == 0
        assert [pid for pid in everything if is_alive(pid)] == []
        assert (cluster.row.stopping, cluster.row.restarts) == (True, len(reasons))
        assert not (tmp_path / "run" / "test.stopping").exists()


def reason_after_the_end_of(victim, cluster):
    """Why the supervisor says that it started a new cluster; the new one works, and nothing of the old one is left."""
    everything, restarts = cluster.processes(), cluster.row.restarts
    os.kill(victim(cluster), signal.SIGKILL)
    what = f"a counted restart after the end of the {victim.__name__}"
    until(lambda: cluster.row.restarts == restarts + 1, what, START_SECONDS * 2)  # a cluster that starts is waited for
    assert [pid for pid in everything if is_alive(pid)] == []
    cluster.wait_until_it_works()
    return cluster.row.last_restart_reason


def main(cluster):
    return cluster.main


def sentinel(cluster):
    return cluster.sentinel


def monitor(cluster):
    return cluster.workers_monitor_pusher[-2]


def idle_worker(cluster):
    return pipe_reader(cluster.workers_monitor_pusher)


@pytest.mark.long
def test_a_name_belongs_to_one_supervisor_until_it_ends(tmp_path):
    """Nothing survives its end."""
    with running_cluster(tmp_path) as first:
        here = RunningCluster("test", tmp_path / "run", tmp_path / "here.log")
        elsewhere = RunningCluster("test", tmp_path / "elsewhere", tmp_path / "elsewhere.log")
        assert (here.process.wait(30), elsewhere.process.wait(30)) == (1, 1)
        assert "already runs as node 'test'" in here.log.read_text()
        assert "Node 'test' is alive on host" in elsewhere.log.read_text()
        assert first.process.poll() is None
        everything = first.processes()
        first.process.kill()
        first.process.wait()
        until(lambda: not any(is_alive(pid) for pid in everything), "the end of every process")
    with running_cluster(tmp_path) as second:
        assert second.row.pid == second.process.pid


@pytest.mark.long
def test_a_cluster_that_ignores_the_stop_file_is_killed(tmp_path):
    with running_cluster(tmp_path) as cluster:
        everything = cluster.processes()
        os.kill(cluster.sentinel, signal.SIGSTOP)  # the main process waits for it, for ever
        cluster.process.send_signal(signal.SIGTERM)
        until(lambda: (tmp_path / "run" / "test.stopping").exists(), "the stop file")
        assert cluster.process.wait(40) == 0
        assert [pid for pid in everything if is_alive(pid)] == []
        assert "cluster did not stop in time" in cluster.log.read_text()


@pytest.mark.long
@pytest.mark.postgres
def test_two_nodes_on_one_database_have_their_own_heartbeats(tmp_path):
    with running_cluster(tmp_path, "one") as one, running_cluster(tmp_path, "two") as two:
        one.wait_until_it_works()
        two.wait_until_it_works()
        os.kill(one.process.pid, signal.SIGSTOP)  # stops sending; its cluster still serves its own queue only
        two.wait_until_it_works()
        os.kill(one.process.pid, signal.SIGCONT)
        assert one.stop() == 0
        assert two.stop() == 0


def test_waits_between_restarts_double_until_it_is_healthy():
    backoff = Backoff()
    assert [backoff.after(lived=5) for _ in range(7)] == [0, 1, 2, 4, 8, 16, 30]
    assert backoff.after(lived=60) == 0
    assert backoff.after(lived=5) == 1


def test_run_once_runs_a_cluster_that_stops_by_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "django", "qcluster", "--skip-checks", "--run-once"],
        env={**environment(tmp_path / "run"), "ORCA_NODE_NAME": "once"},
        timeout=120,
    )
    assert done.returncode == 0


@pytest.mark.long
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
