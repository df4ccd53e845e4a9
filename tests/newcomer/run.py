"""Builds the wheel, starts a project in an empty folder, and executes the blocks of docs/adopt.md in it.

Three times: on the newest Django that this machine has a Python for, with Django's own user model; on Django 5.2 with a
custom one; and on the newest without the console, in Django's own theme. Then the production example is run
(tests/newcomer/production.py): `python -m tests.newcomer.run [--keep FOLDER] [--only NAME]`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.newcomer import production

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "adopt.md"
LOOK = Path(__file__).with_name("look.py")
CONSOLE = "# [console]"  # what a line of the settings ends with that is for the console only
MINORS = (14, 13, 12, 11)
IMAGE_MINOR = 12
"""The Python of deploy/Dockerfile."""
PRODUCTION = "production"
CUSTOM_USER = """from django.contrib.auth.models import AbstractUser


class Person(AbstractUser):
    pass
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One newcomer: a Python, a Django, whose user model, and whether the console is wanted."""

    name: str
    python: str
    django: str
    custom_user: bool = False
    console: bool = True


def pythons() -> dict[int, str]:
    """The interpreters of this machine, by minor version, the newest first."""
    found = {}
    for minor in MINORS:
        named = [
            shutil.which(f"python3.{minor}"),
            *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")),
        ]
        for path in [*filter(None, named), sys.executable]:
            asked = "import sys; print(sys.version_info.minor)"
            answer = subprocess.run([path, "-c", asked], capture_output=True, text=True, check=False)
            if answer.stdout.strip() == str(minor):
                found.setdefault(minor, path)
    return found


def variants() -> Iterator[Variant]:
    known = pythons()
    newest = max(known)
    django = "django<6.2" if newest >= 12 else "django<6"  # Django 6 needs Python 3.12
    yield Variant("newest", known[newest], django)
    yield Variant("oldest", known[min(known)], "django<5.3", custom_user=True)
    yield Variant("plain", known[newest], django, console=False)


class Project:
    """A folder with an environment of its own, and a project that `startproject` made."""

    def __init__(self, folder: Path, variant: Variant) -> None:
        self.folder = folder / variant.name
        self.folder.mkdir()
        self.variant = variant
        self.bin = folder / f"{variant.name}-env" / "bin"

    def run(self, *command: str) -> str:
        """What a command prints; SystemExit with all of it when it fails."""
        environ = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", ""), "LANG": "C.UTF-8"}
        environ |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))}
        say(f"{self.variant.name}$ {' '.join(command)[:110]}")
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{done.stdout}\n{done.stderr}\nfailed: {' '.join(command)}")
        return done.stdout

    def start(self, wheel: Path) -> None:
        subprocess.run([self.variant.python, "-m", "venv", str(self.bin.parent)], check=True)
        package = f"{wheel}[console]" if self.variant.console else str(wheel)
        self.run("pip", "install", "--quiet", package, self.variant.django)
        self.run("django-admin", "startproject", "mysite", ".")
        self.run("python", "manage.py", "startapp", "support")
        if self.variant.custom_user:
            self.run("python", "manage.py", "startapp", "people")
            (self.folder / "people" / "models.py").write_text(CUSTOM_USER)
            self.append("mysite/settings.py", 'INSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Person"\n')
            self.run("python", "manage.py", "makemigrations", "people")

    def append(self, path: str, text: str) -> None:
        with (self.folder / path).open("a") as file:
            file.write(f"\n{text}")

    def follow(self, language: str, block: str) -> None:
        """Do what a block of the page says: its first line names a file, or that it is for the shell."""
        first = block.splitlines()[0]
        if language == "sh":
            for line in block.splitlines():
                if not line.startswith("pip install"):  # of the index; here the wheel is installed
                    self.run(*line.split())
        elif first == "# manage.py shell":
            self.run("python", "manage.py", "shell", "-c", block)
        elif first == "# mysite/settings.py":
            wanted = [line for line in block.splitlines() if self.variant.console or CONSOLE not in line]
            self.append("mysite/settings.py", "\n".join(wanted))
        else:
            (self.folder / first.removeprefix("# ")).write_text(block)


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block of the page."""
    return re.findall(r"```(sh|python)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def build(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("orchestrai-*.whl")
    return wheel


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="A new folder, which is kept, in place of a temporary one.")
    parser.add_argument("--only", choices=["newest", "oldest", "plain", PRODUCTION], help="One of the four.")
    asked = parser.parse_args()
    if asked.only in (None, PRODUCTION) and (lacking := production.missing()):
        raise SystemExit(f"The production example cannot be run: {lacking}.")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        if asked.only != PRODUCTION:
            adopt(folder, asked.only)
        if asked.only in (None, PRODUCTION):
            (folder / PRODUCTION).mkdir()
            known = pythons()
            production.run(folder / PRODUCTION, known.get(IMAGE_MINOR, known[max(known)]), say)
    say(f"newcomer: all of it works, in {time.monotonic() - began:.0f} s")


def adopt(folder: Path, only: str | None) -> None:
    wheel = build(folder)
    for variant in variants():
        if only in (None, variant.name):
            project = Project(folder, variant)
            project.start(wheel)
            for language, block in blocks():
                project.follow(language, block)
            project.run("python", "manage.py", "check", "--database", "default", "--fail-level", "WARNING")
            say(project.run("python", "manage.py", "shell", "-c", LOOK.read_text()))


if __name__ == "__main__":
    main()
