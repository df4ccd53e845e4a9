"""What a run needs around it: an environment for its processes, and the simulated provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chaos.leftovers import VARIABLE as RUN_VARIABLE
from chaos.options import VARIABLE, Options

DJANGO = [sys.executable, "-m", "django"]
MIGRATE_SECONDS = 120.0
PROVIDER_STOP_SECONDS = 10.0


def environment_of(options: Options, run: str, folder: Path, url: str) -> dict[str, str]:
    """Of the processes of a run; `folder` is for their files, `url` is their database's."""
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
def provider(options: Options, environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The simulated provider as a process of its own, with its own request log; yields its address."""
    speed = ["--latency-ms", str(options.latency_ms), "--pace-ms", str(options.pace_ms)]
    command = [*DJANGO, "simulated_provider", "--port", "0", *speed]
    with (folder / "provider.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - ours
            [*command, "--request-log", str(folder / "ledger.jsonl")],
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


def migrate(environment: Mapping[str, str], tree: Path | None = None) -> None:
    """Apply the migrations of a tree, of this one by default."""
    subprocess.run(  # noqa: S603 - ours
        [*DJANGO, "migrate", "-v0", "--skip-checks"], env=environment, cwd=tree, check=True, timeout=MIGRATE_SECONDS
    )


def show_logs(folder: Path) -> None:
    """The end of every log, on stderr."""
    for log in sorted(folder.glob("*.log")):
        sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n")
