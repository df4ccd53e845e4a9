"""A PDF and a picture become rows: a real cluster, a provider over HTTP, and each of its wire formats."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile

from orchestration.content import file_now, image_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentFile as StoredContent
from orchestration.providers.conformance.contents import PDF, png
from orchestration.providers.simulator.server import SimulatedProviderServer
from persistence.models import PersistedObject
from tests.clusters import running_cluster
from tests.seedapp.models import Message
from tests.seedapp.orca.findings import GenerateFindings
from tests.waiting import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.cluster,
    pytest.mark.timeout(180),
]
WIRES = {
    "responses": {"provider": "openai", "surface": "responses"},
    "chat": {"provider": "openai", "surface": "chat"},
    "messages": {"provider": "anthropic"},
    "content": {"provider": "gemini"},
}
PICTURE = png(64, 48, shade=7)


def clients(server: SimulatedProviderServer) -> dict[str, Any]:
    below = {"content": "/v1beta"}
    return {
        name: {**client, "model": f"model-{name}", "base_url": server.address + below.get(name, "/v1")}
        | {"api_key_envvar": "ORCA_PROVIDER_API_KEY"}
        for name, client in WIRES.items()
    }


def test_a_pdf_and_a_picture_become_rows(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And their bytes reach the provider as they are, in the four wire formats."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    monkeypatch.setenv("ORCA_TEST_MEDIA", settings.MEDIA_ROOT)
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
    with SimulatedProviderServer() as server:
        config = {"MODE": "pod", "CLIENTS": clients(server)}
        settings.ORCA_CONFIG = config
        monkeypatch.setenv("ORCA_TEST_CLIENTS", json.dumps(config))
        with running_cluster(tmp_path):
            documents = [file_now(ContentFile(PDF, "Befund Ärztin.pdf")), image_now(PICTURE, name="rash.png")]
            for name in WIRES:
                submit(CallSpec(service=GenerateFindings, context={"documents": documents}, client=name))
            until(lambda: not unfinished(), "four calls to be persisted", 30)
        log = server.request_log()
    assert {call.error_code for call in ServiceCallRecord.objects.all()} == {""}
    sent = [(each["kind"], each["size"], each["sha256"]) for entry in log for each in entry["content"]]
    both = [("file", len(PDF), digest(PDF)), ("image", len(PICTURE), digest(PICTURE))]
    assert sorted(entry["model"] for entry in log) == sorted(f"model-{name}" for name in WIRES)
    assert sent == both * 4
    assert StoredContent.objects.count() == 2
    rows = Message.objects.count()
    assert rows >= 8
    assert PersistedObject.objects.count() == rows
    assert all(call.request_audits.get().content_uses.count() == 2 for call in ServiceCallRecord.objects.all())


def unfinished() -> bool:
    calls = ServiceCallRecord.objects.all()
    assert [(call.client, call.error_code, call.error) for call in calls if call.status == "failed"] == []
    assert "skipped" not in {call.domain_persist_state for call in calls}
    return any(call.domain_persist_state != "persisted" for call in calls)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
