"""`python -m chaos`: makes a place for one run, starts it, and leaves nothing behind, whatever happens inside.

Exit status: 0 when the books agree and nothing was left behind, 1 when not, 2 when the run could not be made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from chaos.databases import fresh_database
from chaos.leftovers import VARIABLE as RUN_VARIABLE
from chaos.leftovers import kill_all, left_behind
from chaos.options import VARIABLE, Options, parse

DJANGO = [sys.executable, "-m", "django"]
MIGRATE_SECONDS = 120.0
PROVIDER_STOP_SECONDS = 10.0


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then everything below is tidied up, too
    run = uuid.uuid4().hex
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        report = _run(options, run, folder)
    except (psycopg.Error, subprocess.SubprocessError, OSError) as error:
        sys.stderr.write(f"The run could not be made: {type(error).__name__}: {error}\n")
        _show_logs(folder)
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
        environment = _environment(options, run, folder, url)
        with _provider(options, environment, folder) as address:
            environment["CHAOS_PROVIDER_URL"] = address
            subprocess.run(  # noqa: S603 - ours
                [*DJANGO, "migrate", "-v0", "--skip-checks"], env=environment, check=True, timeout=MIGRATE_SECONDS
            )
            report = _strike(options, environment, folder)
        left = left_behind(run)
        kill_all(run)
    report["processes_left_behind"] = sorted(left.values())
    report["ok"] = report["ok"] and not left
    return report


def _strike(options: Options, environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """The report of the run; of one that broke off, only that it did."""
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
            _show_logs(folder)
            return {"ok": False, **header, "broke_off": type(error).__name__}
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return {"ok": report.pop("ok"), **header, **report}


def _environment(options: Options, run: str, folder: Path, url: str) -> dict[str, str]:
    broker = {"ORCA_BROKER": "redis", "REDIS_URL": options.redis_url} if options.broker == "redis" else {}
    kept = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "OPENAI_BASE_URL"}}
    return {
        **kept,
        **broker,
        RUN_VARIABLE: run,
        VARIABLE: options.dump(),
        "CHAOS_REPORT": str(folder / "report.json"),
        "CHAOS_PROVIDER_URL": "http://127.0.0.1:1/v1",
        "DJANGO_SETTINGS_MODULE": "chaos.settings",
        "DATABASE_URL": url,
        "ORCA_VAR_DIR": str(folder),
        "ORCA_PROVIDER_API_KEY": "simulated",
        "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }


@contextmanager
def _provider(options: Options, environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The simulated provider as a process of its own, with its own ledger; yields its address."""
    command = [*DJANGO, "simulated_provider", "--port", "0", "--latency-ms", str(options.latency_ms)]
    with (folder / "provider.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - ours
            [*command, "--ledger", str(folder / "ledger.jsonl")],
            env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        words = process.stdout.readline().split() if process.stdout else []
        if len(words) < 3:
            raise OSError("the simulated provider did not start")
        yield words[2]
    finally:
        process.terminate()
        process.wait(PROVIDER_STOP_SECONDS)


def _show_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n")


if __name__ == "__main__":
    sys.exit(main())
