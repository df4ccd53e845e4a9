"""Images, audio and files on their way from a section, a call or a tool to the provider."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection

from orchestration.content import audio_now, file_now, image_now
from orchestration.content.storing import digest_of
from orchestration.engine.execution import content_loading
from orchestration.engine.queue.enqueue import CallSpec, build_record, submit
from orchestration.errors import ContentRefused, InvalidCall
from orchestration.models import AIRequestAudit, PromptText, ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.models.prompt_overrides import forget_texts
from orchestration.models.tool_runs import ToolRun
from orchestration.providers.conformance.contents import PDF, WAV, png
from orchestration.testing import drain, scripted_provider
from orchestration.testing.scripted import ScriptedProvider
from tests.engineapp.orca.services.contents import Looks, Scans, ShownPrompt, scans, shown

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
MISSING = {"part": "image", "content": f"sha256:{'0' * 64}", "size": 1, "media_type": "image/png"}
NAME = "Befund Ärztin.pdf"


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.MEDIA_ROOT = str(tmp_path)
    yield tmp_path / "content"
    scans.clear()
    shown.clear()


@pytest.fixture
def model() -> Iterator[ScriptedProvider]:
    with scripted_provider() as provider:
        yield provider


def run(service: Any = Looks, **fields: Any) -> ServiceCallRecord:
    call = submit(CallSpec(**{"service": service, **fields}))
    drain()
    return ServiceCallRecord.objects.get(pk=call.pk)


def sent(model: ScriptedProvider) -> list[dict[str, Any]]:
    """The parts of the last request that have bytes."""
    contents = [message["content"] for message in model.requests[-1].messages]
    return [part for content in contents if isinstance(content, list) for part in content if "data" in part]


def test_bytes_are_sent_and_references_stored(model: ScriptedProvider) -> None:
    parts = [image_now(png(), name="a.png"), "and", file_now(PDF, name=NAME)]
    call = run(context={"shown": parts})
    assert (call.status, call.error) == ("succeeded", None)
    assert [part["data"] for part in sent(model)] == [b64encode(data).decode() for data in (png(), PDF)]
    [audit] = call.request_audits.all()
    assert audit.messages[0] == {"role": "developer", "content": "Read what you are shown."}
    [look, picture, and_, paper, asked] = audit.messages[1]["content"]
    assert [each["text"] for each in (look, and_, asked)] == ["Look:", "and", "How urgent is it?"]
    assert (picture, paper) == (parts[0], parts[2])
    assert {(use.call_id, use.request_id) for use in ContentUse.objects.all()} == {(call.pk, None), (None, audit.pk)}
    assert set(ContentUse.objects.values_list("name", flat=True)) == {"a.png", NAME}
    columns = connection.cursor()
    for table in ("service_call_record", "ai_request_audit", "ai_response_audit"):
        columns.execute(f"SELECT * FROM {table}")  # noqa: S608 - a table of ours
        assert b64encode(PDF).decode()[:40] not in str(columns.fetchall())


def test_a_section_may_store_what_it_shows(model: ScriptedProvider) -> None:
    """It does so again in each attempt, and the bytes are stored once."""
    shown.append(image_now(png()))
    model.fail("rate_limit")
    call = run()
    drain(scheduled=True)
    call.refresh_from_db()
    assert call.status == "succeeded"
    assert ContentFile.objects.count() == 1
    assert ContentUse.objects.filter(call=call).count() == 0


def test_a_repair_shows_everything_again(model: ScriptedProvider) -> None:
    model.answer({"wrong": "shape"})
    call = run(context={"shown": [image_now(png())]})
    assert call.status == "succeeded"
    assert call.request_audits.count() == 2
    assert [part["data"] for part in sent(model)] == [b64encode(png()).decode()]
    assert ContentUse.objects.filter(request__call=call).count() == 2


def test_a_tool_shows_the_model_a_picture(model: ScriptedProvider) -> None:
    scans[:] = [png(shade=1), png(shade=2)]
    model.call_tools(("scan", {"number": 0}), ("scan", {"number": 1}))
    model.answer("Both are grey.")
    call = run(Scans)
    assert (call.status, call.error) == ("succeeded", None)
    assert [part["data"] for part in sent(model)] == [b64encode(data).decode() for data in scans]
    results = [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]
    assert [result[0] for result in results] == [{"part": "text", "text": f"Page {number}:"} for number in (0, 1)]
    assert [run.result[0] for run in ToolRun.objects.order_by("pk")] == ["Page 0:", "Page 1:"]
    assert ContentUse.objects.filter(tool_run__call=call).count() == 2


def test_messages_that_are_given_have_parts(model: ScriptedProvider) -> None:
    messages: Any = [
        {"role": "system", "content": ["Be brief.", "Be kind."]},
        {"role": "user", "content": ["What is this?", image_now(png())]},
    ]
    call = run(messages=messages)
    [audit] = call.request_audits.all()
    assert audit.messages[0]["content"] == "Be brief.\n\nBe kind."
    assert len(sent(model)) == 1
    assert call.service_kwargs["messages"] == audit.messages
    assert ContentUse.objects.filter(call=call).count() == 1


def test_the_same_request_has_the_same_content() -> None:
    """The fingerprint of an idempotency key has the digest."""

    def marked(*shades: int) -> str:
        parts = [image_now(png(shade=shade), name="a.png") for shade in shades]
        spec = CallSpec(service=Looks, context={"shown": parts}, idempotency_key="k")
        return build_record(spec).request_fingerprint

    assert marked(1) == marked(1) != marked(2)
    with scripted_provider():
        shown.append(image_now(png(shade=1)))
        first = run().request_audits.get().prompt_meta["digest"]
        shown[:] = [image_now(png(shade=2))]
        assert run().request_audits.get().prompt_meta["digest"] != first


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"role": "system", "content": [{"part": "image", "url": "https://a.example.com/a"}]}], "only text"),
        ([{"role": "assistant", "content": [{"part": "image", "url": "https://a.example.com/a"}]}], "only text"),
        ([{"role": "user", "content": [{"part": "image", "url": "https://u:p@a.example.com/a"}]}], "password"),
        ([{"role": "user", "content": [{"part": "image", "url": "https://localhost/a"}]}], "private"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            r"messages\[0\].content\[0\]",
        ),
        ([{"role": "user", "content": [7]}], r"messages\[0\].content\[0\]"),
        (
            [
                {
                    "role": "user",
                    "content": MISSING,
                }
            ],
            "not stored",
        ),
        (["text"], "list of objects"),
    ],
)
def test_messages_that_are_refused(messages: Any, words: str) -> None:
    with pytest.raises(InvalidCall, match=words):
        submit(CallSpec(service=Looks, messages=messages))


@pytest.mark.parametrize("returned", [[7], [object()], [{"type": "text"}], {"a": 1}, [None]])
def test_a_section_that_returns_no_content(returned: Any, model: ScriptedProvider) -> None:
    shown[:] = returned if isinstance(returned, list) else [returned]
    call = run()
    assert (call.status, call.error_code) == ("failed", "prompt_failed")
    assert "ShownPrompt" in (call.error or "")
    assert model.requests == []


def test_too_much_together_is_not_read(model: ScriptedProvider, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "MAX_REQUEST_CONTENT_BYTES": len(PDF) + len(png()) - 1}
    monkeypatch.setattr(content_loading, "read", lambda _: pytest.fail("it was read"))
    call = run(context={"shown": [image_now(png()), file_now(PDF)]})
    assert (call.status, call.error_code) == ("failed", "content_too_large")
    assert model.requests == []


def test_a_client_that_cannot_take_it_is_not_asked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_loading, "read", lambda _: pytest.fail("it was read"))
    client = {"provider": "simulator", "model": "m", "surface": "messages"}
    for surface, without, part, code in (
        ("messages", [], audio_now(WAV), "content_not_supported"),
        ("responses", [], audio_now(WAV), "content_not_supported"),
        ("chat", [], file_now(url="https://a.example.com/a.pdf"), "content_not_supported"),
        ("chat", ["images"], image_now(png()), "capability_missing"),
    ):
        settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {**client, "surface": surface, "without": without}}
        call = run(context={"shown": [part]})
        assert (call.status, call.error_code) == ("failed", code)
        [audit] = call.request_audits.select_related("response_audit")
        assert audit.response_audit.total_tokens == 0


def test_content_that_is_lost_is_not_sent(model: ScriptedProvider, stored: Path) -> None:
    part = image_now(png())
    call = submit(CallSpec(service=Looks, context={"shown": [part]}))
    for path in stored.rglob("*"):
        if path.is_file():
            path.unlink()
    drain()
    call.refresh_from_db()
    assert (call.status, call.error_code) == ("failed", "content_lost")
    assert model.requests == []


def test_a_caller_who_waits_sends_it_too(model: ScriptedProvider) -> None:
    response = async_to_sync(Looks.using(context={"shown": [image_now(png())]}).execute)()
    assert response.structured_data
    assert len(sent(model)) == 1
    assert ContentUse.objects.count() == 2


def test_an_operators_text_leaves_the_pictures(model: ScriptedProvider) -> None:
    shown.append(image_now(png()))
    PromptText(section=str(ShownPrompt.identity), part="message", text="See:").publish()
    forget_texts()
    run()
    content = AIRequestAudit.objects.get().messages[1]["content"]
    assert content[0]["text"] == "See:"
    assert len(sent(model)) == 1


def test_a_url_goes_as_it_is(model: ScriptedProvider) -> None:
    part = image_now(url="https://files.example.com/a.png?signature=1")
    call = run(context={"shown": [part]})
    assert call.status == "succeeded"
    assert part in model.requests[-1].messages[1]["content"]
    assert part in call.request_audits.get().messages[1]["content"]
    assert not ContentUse.objects.exists()


def test_context_that_only_looks_like_content_is_refused() -> None:
    with pytest.raises(ContentRefused):
        submit(CallSpec(service=Looks, context={"shown": [image_now(png()) | {"content": f"sha256:{'1' * 64}"}]}))
    assert digest_of(b"") == hashlib.sha256(b"").hexdigest()
