"""The real supervisor over the real cluster, on the test database."""

import os
import signal

import pytest

from orchestration.engine.processes import ON_LINUX, is_alive
from orchestration.engine.supervisor import Backoff
from tests.clusters import RunningCluster, running_cluster, until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.postgres,
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
