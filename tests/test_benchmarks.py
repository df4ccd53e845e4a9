"""The benchmarks start as their documentation says, with nothing set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STARTED = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8"))


@pytest.mark.long
@pytest.mark.parametrize("name", STARTED)
def test_a_benchmark_starts_without_settings_in_the_environment(name, tmp_path):
    unset = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL"}
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"],
        env={**environment, "ORCA_VAR_DIR": str(tmp_path), "DJANGO_DEBUG": "true"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
