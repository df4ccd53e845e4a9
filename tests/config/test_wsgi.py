"""Requests over WSGI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import io, threading
from config.wsgi import application

def ask():
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/api/v1/service-calls", "SERVER_NAME": "localhost",
               "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
    told = []
    b"".join(application(environ, lambda status, headers: told.append(status)))
    return told[0]

first, beside = ask(), threading.active_count()
start, started = threading.Thread.start, []
threading.Thread.start = lambda thread: (started.append(thread), start(thread))
print(first, ask(), beside, len(started))
"""


def test_asynchronous_views_start_no_thread_for_each_request(tmp_path: Path) -> None:
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ORCA_VAR_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ASK], env=kept, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["401", "Unauthorized", "401", "Unauthorized", "2", "0"], done.stderr
