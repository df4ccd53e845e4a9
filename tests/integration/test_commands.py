"""The shell commands of the documents, run as they stand there against what `make run` starts."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.consensus.decision import decide
from tests.config.test_serve import ROOT, finish, free_port, start

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
PORT = "127.0.0.1:8000"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a running demo on an empty database."""
    port = free_port()
    process = start(tmp_path_factory.mktemp("demo"), "--port", str(port))
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Serving until Ctrl-C"):
            break
    else:
        pytest.fail("".join(said) + process.stderr.read())
    yield f"127.0.0.1:{port}"
    process.terminate()
    assert finish(process)[0] == 0


def run(command: str, served: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.replace(PORT, served)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def commands(document: str) -> list[str]:
    """Its shell blocks that ask the running demo."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)
    return [block for block in blocks if PORT in block]


def test_one_documented_curl_has_an_idea_reviewed(served: str, tmp_path: Path) -> None:
    review, _ = commands("consensus.md")
    found = run(review, served, tmp_path)
    assert found["status"] == "completed"
    assert len(found["reviews"]) == 5
    verdict = decide(found["reviews"])
    assert found["decision"]["decision"] == verdict.decision
    assert found["decision"]["overall_weighted_confidence"] == str(verdict.overall_weighted_confidence)


def test_the_documented_way_to_an_own_key_gives_one(served: str, tmp_path: Path) -> None:
    _, own_key = commands("consensus.md")
    key = run(own_key, served, tmp_path)
    assert key["secret"].startswith("orca_") and key["scopes"] == ["runs:read", "runs:write"]
