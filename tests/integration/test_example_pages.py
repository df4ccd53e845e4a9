"""The pages about the example's applications: their blocks are executed against what `make run` starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.machine import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: [^>]+-->\s*```.*?```", re.DOTALL)
SAYS = {
    "consensus": ['"decision"', '"name": ?"reviews"'],
    "gateway": [
        "",
        '"content":',
        ".",
        '"type": ?"message"',
        "^orca_",
        "interactions",
        "rotated|encrypted|record",
        "tokens for gpt-4o-mini",
    ],
    "training": ["instructor", "event: "],
}
"""What each block of a page prints, as a pattern."""
PEOPLE = """
from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
somebody = User.objects.create_user("somebody@example.com", "a-long-and-quiet-word-7", role=UserRole.STAFF)
while not ApiKey.objects.filter(pk=7).exists():
    ApiKey.issue(somebody, "one of seven", [Scope.GATEWAY_CALL])
"""
"""Whom and what the page names."""


@dataclass(slots=True)
class Example:
    """What `make run` started, and a shell beside it."""

    folder: Path
    port: int
    variables: dict[str, str]
    told: str = ""
    """What it printed until it served."""

    def run(self, language: str, block: str) -> str:
        """What a block prints; AssertionError when it fails."""
        if language == "python":
            return self._execute(sys.executable, "-c", block)
        text = block.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        text = text.replace(".venv/bin/python manage.py", f"{sys.executable} {ROOT / 'manage.py'}")
        lines = [line for line in text.splitlines() if not line.startswith("make run")]  # which runs
        return self._execute("sh", "-ec", "\n".join(lines))

    def _execute(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder, port = tmp_path_factory.mktemp("example"), free_port()
    kept = {name: os.environ[name] for name in ("PATH", "ORCA_TEST_RUN") if name in os.environ}
    variables = {**kept, "PYTHONPATH": str(ROOT), "ORCA_VAR_DIR": str(folder / "var"), "HOME": str(folder)}
    log = folder / "run.log"
    with log.open("wb") as output:
        serving = subprocess.Popen(
            [sys.executable, "-m", "apps.devtools.runner", "--port", str(port)],
            cwd=ROOT,
            env=variables,
            stdout=output,
            stderr=output,
        )
    made = Example(folder, port, variables)
    try:
        until(lambda: serving.poll() is not None or "Serving until Ctrl-C" in log.read_text(), "make run serves", 240)
        made.told = log.read_text()
        assert serving.poll() is None, made.told
        yield made
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(60)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall(NOT_RUN.sub("", (ROOT / "docs" / f"{page}.md").read_text()))


@pytest.mark.parametrize("page", ["consensus", "training"])
def test_the_blocks_of_a_page_do_what_it_says(example: Example, page: str) -> None:
    found = blocks(page)
    assert len(found) == len(SAYS[page])
    for (language, block), says in zip(found, SAYS[page], strict=True):
        printed = example.run(language, block)
        assert re.search(says, printed, re.MULTILINE), f"{block}\n{printed}"


def test_the_blocks_of_the_gateways_guide_do_what_it_says(example: Example) -> None:
    found = blocks("gateway")
    assert len(found) == len(SAYS["gateway"])
    (given,) = re.findall(r"Gateway: export (.*)", example.told)
    example.variables |= dict(pair.split("=", 1) for pair in given.split())
    example.run("sh", f".venv/bin/python manage.py shell -c '{PEOPLE}'")
    (example.folder / "prompts.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "Say  hello,  please."}]}\n'
    )
    for (language, block), says in zip(found[1:], SAYS["gateway"][1:], strict=True):
        printed = example.run(language, block)
        assert re.search(says, printed, re.MULTILINE), f"{block}\n{printed}"
