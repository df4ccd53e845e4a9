"""`python -m chaos`: prepares one run, starts it, and removes everything afterwards, whatever happens.

Exit status: 0 when the records agree and nothing was left behind, 1 when not, 2 when the run could not be made.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from chaos.databases import fresh_database
from chaos.leftovers import kill_all, left_behind
from chaos.options import Options, parse
from chaos.preparation import DJANGO, environment_of, migrate, provider, show_logs


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then everything below is cleaned up, too
    run = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        report = _run(options, run, folder)
    except (psycopg.Error, subprocess.SubprocessError, OSError, ValueError) as error:
        sys.stderr.write(f"The run could not be prepared: {type(error).__name__}: {error}\n")
        show_logs(folder)
        return 2
    finally:
        kill_all(run)
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.keep:
        report["kept"] = str(folder)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["ok"] else 1


def _run(options: Options, run: str, folder: Path) -> dict[str, Any]:
    with fresh_database(options, f"chaos_{run[:12]}", folder) as url:
        environment = environment_of(options, run, folder, url)
        with provider(options, environment, folder) as address:
            environment["CHAOS_PROVIDER_URL"] = address
            migrate(environment)
            report = _strike(options, environment, folder)
        left = left_behind(run)
        kill_all(run)
    report["processes_left_behind"] = sorted(left.values())
    report["ok"] = report["ok"] and not left
    return report


def _strike(options: Options, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The report of the run; for one that failed, only that it did."""
    asked = {
        "scenario": options.scenario,
        "calls": options.calls,
        "kills": options.kills,
        "db": options.db,
        "broker": options.broker,
    }
    header = {**asked, "seed": options.seed, "pace_seconds": options.pace, "nodes": options.nodes}
    with (folder / "run.log").open("ab") as log:
        try:
            subprocess.run(  # noqa: S603 - ours
                [*DJANGO, "chaos_run"], env=environment, stderr=log, check=True, timeout=options.limit
            )
        except subprocess.SubprocessError as error:
            show_logs(folder)
            return {"ok": False, **header, "broke_off": type(error).__name__}
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return {"ok": report.pop("ok"), **header, **report}


if __name__ == "__main__":
    sys.exit(main())
