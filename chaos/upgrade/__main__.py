"""`python -m chaos.upgrade --base REVISION --calls 20000`: prepares the run, starts it, removes everything afterwards.

Exit status: 0 when the records agree, 1 when not, 2 when the run could not be made.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg

from chaos.databases import fresh_database
from chaos.leftovers import kill_all, left_behind
from chaos.options import Options
from chaos.preparation import DJANGO, environment_of, migrate, provider, show_logs
from chaos.upgrade.base import checked, default_base, introduced, migrations_since

LONGEST_SECONDS = 3600.0


def main() -> int:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then everything below is cleaned up, too
    run, folder = uuid.uuid4().hex, Path(tempfile.mkdtemp(prefix="upgrade-"))
    options = Options(
        calls=asked.calls, kills=asked.kills, pace=asked.pace, db="postgres", latency_ms=50, quiet=asked.quiet
    )
    try:
        base = checked(asked.base) if asked.base else default_base()
        sys.stderr.write(f"{introduced(base)}\n")
        report = _run(options, base, run, folder)
    except (psycopg.Error, subprocess.SubprocessError, OSError, ValueError) as error:
        sys.stderr.write(f"The run could not be made: {type(error).__name__}: {error}\n")
        show_logs(folder)
        return 2
    finally:
        kill_all(run)
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["ok"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.upgrade", description=__doc__)
    parser.add_argument(
        "--base",
        default="",
        help="the older version, a tag or commit; else the last tag before this commit, or the first commit with frozen"
        " migrations",
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--pace", type=float, default=4.0, help="seconds between two kills on average")
    parser.add_argument("--quiet", type=float, default=1800.0, help="seconds the end may take")
    return parser.parse_args()


def unpack(base: str, folder: Path) -> Path:
    """The tree of the older version."""
    archive = subprocess.run(["git", "archive", "--format=tar", base], capture_output=True, check=True).stdout  # noqa: S603, S607
    tree = folder / "older"
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(tree, filter="data")
    return tree


def _run(options: Options, base: str, run: str, folder: Path) -> dict[str, Any]:
    tree = unpack(base, folder)
    files = folder / "var"
    files.mkdir()
    with fresh_database(options, f"upgrade_{run[:12]}", files) as url:
        environment = environment_of(options, run, files, url)
        with provider(options, environment, files) as address:
            environment["CHAOS_PROVIDER_URL"] = address
            migrate({**environment, "PYTHONPATH": str(tree)}, tree)
            environment["CHAOS_OLDER_TREE"] = str(tree)
            with (files / "run.log").open("ab") as log:
                done = subprocess.run(  # noqa: S603 - ours
                    [*DJANGO, "upgrade_run"], env=environment, stderr=log, timeout=LONGEST_SECONDS, check=False
                )
        if done.returncode:
            show_logs(files)
            return {"ok": False, "base": base, "broke_off": done.returncode}
        left = left_behind(run)
        kill_all(run)
    between = migrations_since(base)
    report: dict[str, Any] = {"ok": False, "base": base, **json.loads((files / "report.json").read_text())}
    report |= {"migrations_between": between, "processes_left_behind": sorted(left.values())}
    report["ok"] = report["ok"] and not left and set(between) <= set(report["migrations_applied"])
    return report


if __name__ == "__main__":
    sys.exit(main())
