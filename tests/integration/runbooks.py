"""The page of runbooks, and an installation that is broken to follow it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.clusters import until

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
PARTS = ("You see", "Why", "Do", "It is over")


@dataclass(frozen=True, slots=True)
class Runbook:
    """One section of the page."""

    title: str
    before: list[str]
    """The blocks above *You see*."""
    parts: dict[str, str]

    def blocks(self, part: str) -> list[str]:
        """The commands of a part, in order."""
        return _blocks(self.parts[part])

    @property
    def findings(self) -> set[str]:
        """The ids of the doctor that it names."""
        return set(re.findall(r"`((?:orchestration|persistence|gateway)\.[EW]\d+)`", "".join(self.parts.values())))


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def runbooks() -> dict[str, Runbook]:
    """By title, in the order of the page."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        before, *rest = re.split(r"^### ", text, flags=re.MULTILINE)
        parts = {name: body for name, _, body in (part.partition("\n") for part in rest)}
        if parts:
            found[title] = Runbook(title, _blocks(before), parts)
    return found


@dataclass(slots=True)
class Shell:
    """Where the blocks are executed: in the project's folder, with the variables of the installation."""

    variables: Mapping[str, str]
    folder: Path
    groups: list[int] = field(default_factory=list)

    def run(self, block: str) -> tuple[int, str]:
        """Exit status and output of a block; what it leaves in the background runs until the end of the test."""
        output = self.folder / "shell.log"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with output.open("w+b") as log:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=ROOT,
                env={**self.variables, "PATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self.groups.append(shell.pid)
            status = shell.wait(100)
        return status, output.read_text(errors="replace")

    def follow(self, block: str) -> str:
        """The output of a block that must succeed."""
        status, output = self.run(block)
        assert status == 0, f"{block}\n{output}"
        return output

    def ends_well(self, runbook: Runbook) -> None:
        """Until the last block of a runbook succeeds."""
        (block,) = runbook.blocks("It is over")
        said = {"output": ""}

        def is_over() -> bool:
            status, said["output"] = self.run(block)
            return status == 0

        try:
            until(is_over, "the end", 60)
        except AssertionError:
            raise AssertionError(f"{runbook.title}: {said['output']}") from None

    def shows(self, *findings: str) -> str:
        """Until the doctor says all of these; what it says."""
        said = {"output": ""}

        def found() -> bool:
            said["output"] = self.run("python manage.py doctor")[1]
            return all(f"({finding})" in said["output"] for finding in findings)

        try:
            until(found, ", ".join(findings), 60)
        except AssertionError:
            raise AssertionError(f"not {', '.join(findings)}: {said['output']}") from None
        return said["output"]


@contextmanager
def shell(variables: Mapping[str, str], folder: Path) -> Iterator[Shell]:
    """A shell whose background processes end with it."""
    opened = Shell(variables, folder)
    try:
        yield opened
    finally:
        for group in opened.groups:
            _end(group)


def _end(group: int) -> None:
    for number, seconds in ((signal.SIGTERM, 40), (signal.SIGKILL, 10)):
        try:
            os.killpg(group, number)
            until(lambda: not _exists(group), "the end of a group", seconds)
        except ProcessLookupError:
            return
        except AssertionError:
            continue
        return


def _exists(group: int) -> bool:
    """Whether a process of the group is alive; one that ended and is not waited for is not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            return True
    return False
