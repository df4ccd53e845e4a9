"""The framework's fast suite on each supported Python and Django: `make matrix`, or `nox -s ends` for the two ends.
`make test` runs on the oldest end already; CI lets a new project run on the newest (`make newcomer ONLY=newest`).

A Python that this machine does not have is downloaded by uv. One that cannot be is named, and not tried; the newest
end is then the newest that there is.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DJANGOS = {"5.2": "django>=5.2.19,<5.3", "6.0": "django>=6.0,<6.1", "6.1": "django>=6.1,<6.2"}
OLDEST_PYTHON = {"5.2": (3, 11), "6.0": (3, 12), "6.1": (3, 12)}
TOOLS = ("hypothesis", "openai", "pytest", "pytest-cov", "pytest-django", "pytest-timeout", "pytest-xdist")
FAST = "not (slow or cluster or postgres_only or long or browser)"

for _folder in sorted(Path.home().glob(".pyenv/versions/3.*/bin")):  # before pyenv's own commands, which hide them
    os.environ["PATH"] = f"{_folder}{os.pathsep}{os.environ['PATH']}"


def _is_there(version: str) -> bool:
    """Whether this machine has a Python, or gets it now."""
    if shutil.which(f"python{version}"):
        return True
    uv = [str(Path(sys.executable).with_name("uv")), "python"]
    if subprocess.run([*uv, "install", "--quiet", version], capture_output=True, check=False).returncode:  # noqa: S603
        sys.stderr.write(f"NOT TRIED: Python {version} is not on this machine, and uv could not download it.\n")
        return False
    found = subprocess.run([*uv, "find", version], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    os.environ["PATH"] = f"{Path(found).parent}{os.pathsep}{os.environ['PATH']}"
    return True


AVAILABLE = [version for version in PYTHONS if _is_there(version)]
ENDS = [("3.11", "5.2"), (AVAILABLE[-1], "6.1")]

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["every"]


def _suite(session: nox.Session, django: str) -> None:
    session.install("--quiet", ".[example]", *TOOLS, DJANGOS[django])
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "orchestrai")  # the tree is tested
    session.run("python", "-c", "import django; print('Django', django.get_version())")
    command = ["python", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-m", FAST, "-p", "no:cacheprovider"]
    session.run(
        *command, *(session.posargs or ["tests/orchestration", "tests/persistence"]), env={"PYTHONWARNINGS": ""}
    )


@nox.session
@nox.parametrize(
    ("python", "django"),
    [(p, d) for p in AVAILABLE for d in DJANGOS if tuple(map(int, p.split("."))) >= OLDEST_PYTHON[d]],
)
def every(session: nox.Session, django: str) -> None:
    """All pairs."""
    _suite(session, django)


@nox.session
@nox.parametrize(("python", "django"), ENDS)
def ends(session: nox.Session, django: str) -> None:
    """The oldest pair and the newest."""
    _suite(session, django)


@nox.session(python=ENDS[-1][0])
def newest(session: nox.Session) -> None:
    """The newest pair."""
    _suite(session, ENDS[-1][1])
