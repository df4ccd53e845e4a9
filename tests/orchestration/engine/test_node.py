import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from orchestration.engine import node as slots
from orchestration.errors import NotConfigured


@pytest.fixture
def run_dir(settings, tmp_path):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RUN_DIR": tmp_path}
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 3}
    return tmp_path


def test_a_node_has_one_slot_less_than_workers(run_dir):
    taken = [slots.claim_slot("here") for _ in range(3)]
    assert [slot is not None for slot in taken] == [True, True, False]
    for slot in taken[:2]:
        slot.release()


def test_a_node_with_one_worker_still_has_a_slot(run_dir, settings):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 1}
    with slots.claim_slot("here") as slot:
        assert slot is not None
        assert slots.claim_slot("here") is None


def test_drains_have_slots_of_their_own(run_dir):
    """A storm of results takes none from the calls, and leaves them a worker."""
    calls = [slots.claim_slot("here") for _ in range(2)]
    drains = [slots.claim_slot("here", of=slots.DRAINS) for _ in range(3)]
    assert [slot is not None for slot in drains] == [True, True, False]
    for slot in (*calls, *drains[:2]):
        slot.release()


def test_a_dedicated_cluster_counts_its_own_workers(run_dir, settings, monkeypatch):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "ALT_CLUSTERS": {"llm": {"workers": 9}}}
    assert slots.slot_count() == 2
    monkeypatch.setenv("Q_CLUSTER_NAME", "llm")
    assert slots.slot_count() == 8


def test_a_released_slot_can_be_claimed_again(run_dir):
    for _ in range(5):
        with slots.claim_slot("here") as slot:
            assert slot.path == run_dir / "here.slot-0"


def test_nodes_do_not_share_slots(run_dir):
    with slots.claim_slot("one") as first, slots.claim_slot("two") as second:
        assert first.path.name == "one.slot-0"
        assert second.path.name == "two.slot-0"


def test_a_killed_process_frees_its_slot(run_dir):
    script = "import fcntl, os, sys\nfcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)\n"
    script += "print('locked', flush=True)\nsys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(run_dir / "here.slot-0")], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"locked\n"
        with slots.claim_slot("here") as second:
            assert second.path.name == "here.slot-1"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with slots.claim_slot("here") as first:
        assert first.path.name == "here.slot-0"


def test_nobody_asks_to_stop_outside_a_cluster(monkeypatch):
    monkeypatch.delenv(slots.STOP_FILE_VARIABLE, raising=False)
    assert slots.stop_requested() is False


def test_the_stop_file_asks_to_stop(monkeypatch, tmp_path):
    stop_file = tmp_path / "here.stopping"
    monkeypatch.setenv(slots.STOP_FILE_VARIABLE, str(stop_file))
    assert slots.stop_requested() is False
    stop_file.touch()
    assert slots.stop_requested() is True


def test_an_orphan_is_asked_to_stop(monkeypatch, tmp_path):
    monkeypatch.setenv(slots.STOP_FILE_VARIABLE, str(tmp_path / "here.stopping"))
    monkeypatch.setenv(slots.SUPERVISOR_VARIABLE, str(os.getppid()))
    assert slots.stop_requested() is True


@pytest.mark.parametrize("name", ["a/b", "with space", "x" * 81])
def test_an_unusable_node_name_is_refused_with_the_rule(name, monkeypatch):
    monkeypatch.setenv(slots.NODE_VARIABLE, name)
    with pytest.raises(NotConfigured, match="1-80 characters"):
        slots.node_name()


def test_a_dedicated_cluster_on_the_same_host_is_another_node(monkeypatch):
    monkeypatch.delenv(slots.NODE_VARIABLE, raising=False)
    monkeypatch.delenv(slots.CLUSTER_VARIABLE, raising=False)
    plain = slots.node_name()
    monkeypatch.setenv(slots.CLUSTER_VARIABLE, "llm")
    assert slots.node_name() == f"{plain}-llm"


@override_settings(ORCHESTRAI={"RUN_DIR": Path("/proc/nowhere")})
def test_a_run_directory_that_cannot_be_made_is_named():
    with pytest.raises(OSError, match="/proc/nowhere"):
        slots.claim_slot("here")
