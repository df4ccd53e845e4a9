"""What docs/gateway.md tells people to type works, and docs/gateway/reference.md names every setting."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from apps.gateway.conf import GatewaySettings
from apps.gateway.models import Interaction
from persistence.conf import PersistenceSettings
from tests.apps.gateway.serving import gateway, key

DOCS = Path(__file__).resolve().parents[3] / "docs"
GUIDE = (DOCS / "gateway.md").read_text()
REFERENCE = (DOCS / "gateway" / "reference.md").read_text()


def block(language: str, start: str) -> str:
    """The first block of code that begins like this."""
    return next(
        code
        for kind, code in re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.S)
        if (kind, code[: len(start)]) == (language, start)
    )


@pytest.mark.django_db(transaction=True)
def test_the_examples_run():
    _, secret = key()
    with gateway() as server:
        environment = os.environ | {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": secret}
        told = [
            subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
            for command in (
                ["bash", "-c", block("sh", "curl")],
                [sys.executable, "-c", block("python", "from openai")],
            )
        ]
    assert json.loads(told[0])["choices"][0]["message"]["content"] == told[1]
    assert told[1]
    assert list(Interaction.objects.order_by("id").values_list("streamed", flat=True)) == [False, True]


def test_the_settings_they_name_exist():
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)", GUIDE + REFERENCE))
    others = {
        "ORCA_CONFIG",
        "DJANGO_DEBUG",
        "GATEWAY_ENCRYPTION_KEYS",
        "GATEWAY_ENCRYPTION_KEY_FILE",
        "GATEWAY_LARGE_BODY_PROCESS",
        "TIKTOKEN_CACHE_DIR",
    }
    assert named - others <= GatewaySettings.model_fields.keys() | PersistenceSettings.model_fields.keys()
    assert "LEASE_SECONDS" in named


def test_the_reference_names_every_setting():
    rows = REFERENCE[REFERENCE.index("## Settings") :]
    assert GatewaySettings.model_fields.keys() - set(re.findall(r"`([A-Z_]+)`", rows)) == set()
