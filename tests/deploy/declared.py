"""What deploy/ declares: the processes of the compose file and of the units, with their environment."""

from __future__ import annotations

import configparser
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HOME = "/srv/orchestrai"
"""Where the image and the units have the project."""


@dataclass(frozen=True, slots=True)
class Process:
    """One command with its environment."""

    name: str
    command: list[str]
    environment: dict[str, str]
    health: list[str]
    """The arguments of deploy/healthcheck.py; empty for what ends by itself."""

    @property
    def ends(self) -> bool:
        return not self.health


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def env_file() -> dict[str, str]:
    lines = (DEPLOY / "orchestrai.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))  # type: ignore[misc]


def image_environment() -> dict[str, str]:
    """What the last stage of the image sets."""
    last = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", last, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in shlex.split(line))  # type: ignore[misc]


def image_instruction(name: str) -> list[str]:
    """The exec form of CMD, or of a health check's CMD, in the last stage."""
    last = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    (found,) = re.findall(rf"^{name}.*?(\[.*\])$", last, re.MULTILINE)
    return list(yaml.safe_load(found))


def of_compose() -> list[Process]:
    """The services that run the project's image."""
    found = []
    for name, service in compose()["services"].items():
        if service["image"] != "orchestrai":
            continue
        health = service.get("healthcheck", {"test": ["CMD", *image_instruction("HEALTHCHECK")]})
        asked = [] if health.get("disable") else health["test"][3:]
        node = {"ORCA_NODE_NAME": service["hostname"]} if "hostname" in service else {}
        variables = {**image_environment(), **env_file(), **service.get("environment", {}), **node}
        found.append(Process(name, service["command"], variables, asked))
    return found


def of_systemd() -> list[Process]:
    """Each ExecStart of each unit; the migrations first."""
    found = []
    for path in sorted(UNITS, key=lambda path: "migrate" not in path.name):
        unit = read_unit(path)
        variables = dict(env_file())
        for line in unit["Service"]["Environment"]:
            variables |= dict(pair.split("=", 1) for pair in line.split())  # type: ignore[misc]
        for command in unit["Service"]["ExecStart"]:
            words = shlex.split(command)
            kind = "workers" if "qcluster" in words else "web"
            ends = unit["Service"].get("Type") == ["oneshot"]
            port = [words[words.index("--port") + 1]] if "--port" in words else []
            found.append(Process(path.stem, words, variables, [] if ends else [kind, *port]))
    return found


def of_dedicated_nodes() -> list[Process]:
    """The nodes of docs/production.md, after the compose file's migrations."""
    (block,) = re.findall(
        r"^```sh\n((?:.*qcluster\n)+)```", (ROOT / "docs" / "production.md").read_text(), re.MULTILINE
    )
    migrate, *_ = [process for process in of_compose() if process.ends]
    found = [migrate]
    for number, line in enumerate(block.splitlines()):
        words = shlex.split(line)
        given = dict(word.split("=", 1) for word in words if "=" in word)
        variables = {**image_environment(), **env_file(), "ORCA_DEDICATED_CLUSTERS": "true", **given}  # type: ignore[dict-item]
        found.append(Process(f"node-{number}", [word for word in words if "=" not in word], variables, ["workers"]))
    return found


class _Lists(dict[str, Any]):
    """Keys of units may come several times."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    parser = configparser.RawConfigParser(dict_type=_Lists, strict=False, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    sections = {name: {key: parser.get(name, key).split("\n") for key in parser[name]} for name in parser.sections()}
    return sections
