"""Whether the process of this container or unit works: exit status 0 or 1. Needs nothing but Python.

`web [PORT]`: `/readyz` answers 200, so the database is reached and migrated. `workers`: the cluster of this node
acknowledged a result within a minute; its heartbeat tasks see to it that there are some.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

SECONDS = 4.0
LATEST_SECONDS = 60.0


def web(port: int) -> bool:
    """Asked by the first name of DJANGO_ALLOWED_HOSTS: any other is refused."""
    host = os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".*") or "localhost"
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def workers() -> bool:
    """By the mark that the cluster leaves in ORCA_RUN_DIR."""
    run_dir = Path(os.environ.get("ORCA_RUN_DIR") or Path(os.environ.get("ORCA_VAR_DIR") or "var") / "run")
    cluster = os.environ.get("Q_CLUSTER_NAME", "")
    node = os.environ.get("ORCA_NODE_NAME") or socket.gethostname() + (f"-{cluster}" if cluster else "")
    try:
        return time.time() - (run_dir / f"{node}.marks" / "monitor").stat().st_mtime < LATEST_SECONDS
    except OSError:
        return False


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    sys.exit(not (workers() if kind == "workers" else web(int(rest[0]) if rest else 8000)))
