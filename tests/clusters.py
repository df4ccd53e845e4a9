"""The real `manage.py qcluster` on the test database, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from orchestration.engine.worker.process_group import children_of
from orchestration.models import WorkerNode
from tests.waiting import until

FAST = {"TICK_SECONDS": 1, "WEDGED_AFTER_SECONDS": 5, "GRACE_SECONDS": 3}
"""Engine settings under which a wedge is seen within seconds."""
START_SECONDS = 60.0
STOP_SECONDS = 40.0


def database_url() -> str:
    """The test database of this process, as another process reaches it."""
    options = connection.settings_dict
    name = str(options["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    user, password = quote(str(options["USER"])), quote(str(options["PASSWORD"]))
    credentials = f"{user}:{password}" if password else user
    return f"postgres://{credentials}@{options['HOST'] or '127.0.0.1'}:{options['PORT'] or 5432}/{name}"


def environment(run_dir: Path, **engine: object) -> dict[str, str]:
    """For a process on this test database; `engine` are ORCHESTRAI settings over FAST."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
        "ORCA_TEST_ENGINE": json.dumps({**FAST, "RUN_DIR": str(run_dir), **engine}),
    }


def started_at(pid: int) -> int:
    """In clock ticks since the boot, field 22 of proc_pid_stat(5): process ids start over after the highest."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[19])


class RunningCluster:
    """A supervisor with its cluster."""

    def __init__(self, node: str, run_dir: Path, log: Path, **engine: object) -> None:
        self.node = node
        self.log = log
        variables = {**environment(run_dir, **engine), "ORCA_NODE_NAME": node}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "django", "qcluster", "--skip-checks"],
                env=variables,
                stdout=output,
                stderr=output,
            )

    @property
    def row(self) -> WorkerNode:
        return WorkerNode.objects.get(name=self.node)

    @property
    def main(self) -> int:
        """The process id of the cluster's main process."""
        return next(children_of(self.process.pid))

    @property
    def sentinel(self) -> int:
        return next(children_of(self.main))

    @property
    def workers_monitor_pusher(self) -> list[int]:
        """What the sentinel started, in this order: the workers, the monitor, the pusher. While none was replaced."""
        return sorted(children_of(self.sentinel), key=lambda pid: (started_at(pid), pid))

    def processes(self) -> set[int]:
        """Every process below the supervisor."""
        found: set[int] = set()
        waiting = [self.process.pid]
        while waiting:
            children = set(children_of(waiting.pop()))
            found |= children
            waiting += children
        return found

    def wait_until_it_works(self) -> None:
        """Until its cluster has run a heartbeat task since now."""
        before = WorkerNode.objects.filter(name=self.node).values_list("task_beat_at", flat=True).first()

        def works() -> bool:
            assert self.process.poll() is None, f"qcluster ended: {self.log.read_text()[-2000:]}"
            beat = WorkerNode.objects.filter(name=self.node).values_list("task_beat_at", flat=True).first()
            return beat is not None and beat != before

        until(works, f"a heartbeat task of {self.node}", START_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextmanager
def running_cluster(folder: Path, node: str = "test", **engine: object) -> Iterator[RunningCluster]:
    """A cluster that works; killed with all its processes at the end, if it still runs then."""
    cluster = RunningCluster(node, folder / "run", folder / f"{node}.log", **engine)
    try:
        cluster.wait_until_it_works()
        yield cluster
    finally:
        if cluster.process.poll() is None:
            cluster.process.kill()
            cluster.process.wait()
