"""The reference is read from the code, and nothing of the code is missing in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.test import Client

from documentation.reference import PACKAGES, pages
from documentation.source import constants
from orchestration import signals
from orchestration.errors import OrchestrationError
from orchestration.signals import EngineSignal
from orchestration.typed_settings import OTHER_SETTINGS

ROOT = Path(__file__).resolve().parents[2]
OF_OTHERS = {"Q_CLUSTER", "ROOT_URLCONF", "UNFOLD"}
"""Settings of Django, django-q and unfold."""
TYPED = {"ORCHESTRAI", "ORCA_CONFIG"}


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("page", ["settings", "environment", "errors", "metrics", "signals", "checks"])
def test_whatever_is_listed_says_what_it_means(reference: dict[str, str], page: str) -> None:
    rows = [row for row in reference[f"reference/{page}.md"].splitlines() if row.startswith("| `")]
    assert len(rows) > 4
    without = [row for row in rows if re.search(r"\|\s*\|$", row)]
    named_by_their_message = [row for row in without if "REST, " in row]
    assert [row for row in without if row not in named_by_their_message] == []


def test_every_setting_that_is_read_is_in_the_list(reference: dict[str, str]) -> None:
    source = "".join(path.read_text() for package in PACKAGES for path in Path(package).rglob("*.py"))
    read = set(re.findall(r'optional_setting\("([A-Z_]+)"', source))
    assert read - OF_OTHERS - TYPED == set(OTHER_SETTINGS)
    assert all(f"`{name}`" in reference["reference/settings.md"] for name in OTHER_SETTINGS)


def test_every_command_is_in_the_list(reference: dict[str, str]) -> None:
    names = {name for name, app in get_commands().items() if app in PACKAGES}
    assert {f"## {name}" for name in names} <= set(reference["reference/commands.md"].splitlines())


def test_every_code_of_an_error_is_in_the_list(reference: dict[str, str]) -> None:
    raised = {
        str(given[1]) for given in constants("ApiError", *PACKAGES) if len(given) > 1 and "…" not in str(given[1])
    }
    page = reference["reference/errors.md"]
    assert len(raised) > 8
    assert [code for code in {*raised, OrchestrationError.code, "newer_version"} if f"| `{code}` |" not in page] == []


def test_every_public_signal_is_in_the_list(reference: dict[str, str]) -> None:
    public = {
        name for name, value in vars(signals).items() if isinstance(value, EngineSignal) and name.startswith("ai_")
    }
    assert public
    assert [name for name in public if f"`{name}`" not in reference["reference/signals.md"]] == []


@pytest.mark.django_db
def test_every_metric_is_in_the_list(client: Client, settings: object, reference: dict[str, str]) -> None:
    settings.INSIDE_PAGES_OPEN = True  # type: ignore[attr-defined]
    shown = set(re.findall(r"^# TYPE (\w+) ", client.get("/metrics").content.decode(), re.MULTILINE))
    assert len(shown) > 10
    assert [name for name in shown if f"`{name}`" not in reference["reference/metrics.md"]] == []
