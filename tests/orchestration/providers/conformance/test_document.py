"""docs/providers.md: its clients are valid settings, its provider passes the suite in a project, its table is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from orchestration.conf import ClientSettings, clients_settings
from orchestration.errors import NotConfigured
from orchestration.providers.base import Api
from orchestration.providers.capabilities import Capability
from orchestration.providers.content import NEEDED
from orchestration.providers.credentials import why_no_key
from orchestration.providers.registry import client_problems, provider_class
from orchestration.providers.short_names import SHORT_NAMES
from tests.orchestration.test_pytest_plugin import ADOPT, PLUGIN, ROOT, run

PAGE = ROOT / "docs" / "providers.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
ROWS = {
    name: [cell.strip() for cell in cells.split("|")]
    for names, cells in re.findall(r"^\| (`[^|]+) \|(.*)\|$", PAGE.read_text().partition("\n1. ")[0], re.MULTILINE)
    for name in re.findall(r"`(\w+)`", names)
}


def test_its_clients_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [block for block in BLOCKS if "ORCA_CONFIG" in block]
    written: dict[str, Any] = {}
    exec(block, written)  # noqa: S102 - a page of ours
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AZURE_OPENAI_API_KEY", "RACK_API_KEY"):
        monkeypatch.setenv(variable, "sk-1")
    monkeypatch.delenv("ORCA_PROVIDER_API_KEY", raising=False)
    with override_settings(ORCA_CONFIG=written["ORCA_CONFIG"]):
        for name, client in clients_settings().clients.items():
            assert client_problems(name, client) == []
            assert why_no_key(name, client) is None


def test_its_table_is_true() -> None:
    assert set(ROWS) == set(SHORT_NAMES)
    for name, (surfaces, structured, tools, content, _, _, key, gateway) in ROWS.items():
        client = ClientSettings(provider=name, model="m", base_url="https://a.example")
        cls = provider_class(client)
        named = re.findall(r"`(\w+)`", surfaces)
        assert not named or tuple(named) == cls.surfaces
        assert (tools == "no") == (Capability.TOOLS not in cls.capabilities)
        for kind, capability in NEEDED.items():
            if not content.startswith("as"):
                assert (kind in content) == (capability in cls.capabilities)
        assert (structured == "no") == (Capability.STRUCTURED_OUTPUT not in cls.capabilities)
        assert [variable.name for variable in cls.key_variables] == re.findall(r"`([A-Z_]+)`", key)
        if name != "simulator":
            assert (gateway == "no") == (not passes(cls, client))
            assert (gateway == "`/v1/messages`") == (cls.passthrough_apis == {Api.ANTHROPIC})


def passes(cls: Any, client: ClientSettings) -> bool:
    try:
        return bool(cls.passthrough_base(client))
    except NotConfigured:
        return False


@pytest.mark.long
@pytest.mark.slow
def test_its_provider_passes_the_suite_in_a_project(tmp_path: Path) -> None:
    (settings,) = re.findall(r"```python\n(# mysite/settings.py\n.*?)```", ADOPT.read_text(), re.DOTALL)
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    with (tmp_path / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
    run(tmp_path, "-m", "django", "startapp", "support")
    manage = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    run(tmp_path, "-m", "django", "orca_init", "support", **manage)
    run(tmp_path, "-m", "django", "makemigrations", "support", **manage)
    files = [(match[1], block) for block in BLOCKS if (match := re.match(r"# (support/\S+\.py)\n", block))]
    assert len(files) == 3
    for name, block in files:
        (tmp_path / name).write_text(block)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    said = run(tmp_path, "-m", "pytest", "-q", *PLUGIN, "support/test_parrot.py", **manage)
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert int(passed[1]) > 50
