"""Images, audio and files over REST: upload, refer to, list, read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.content import image_now
from orchestration.content.storing import digest_of
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.providers.conformance.contents import PDF, png
from orchestration.testing import drain
from persistence.maintenance.erasure import erase_subject
from tests.engineapp.orca.services.contents import Looks
from tests.orchestration.api.conftest import API, SUBMIT, Caller

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LOOKS = "services.engineapp.default.Looks"


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path / "content"


def uploaded(caller: Caller, data: bytes, kind: str = "image", name: str = "a.png", declared: str = "") -> Any:
    form = {"file": SimpleUploadedFile(name, data, content_type=declared), "kind": kind}
    return caller.client.post(f"{API}/content", form, headers=caller.headers)


def test_an_upload_goes_to_the_model(caller: Callable[..., Caller]) -> None:
    ann = caller("ann", permissions=SUBMIT)
    part = uploaded(ann, PDF, "file", "über.pdf", "application/pdf")
    assert part.status_code == 201
    assert part.json() == {
        "part": "file",
        "content": f"sha256:{digest_of(PDF)}",
        "media_type": "application/pdf",
        "size": len(PDF),
        "name": "über.pdf",
    }
    assert uploaded(ann, PDF, "file", "über.pdf").json() == part.json()
    posted = ann.post("/service-calls", {"service": LOOKS, "context": {"shown": [part.json()]}})
    assert posted.status_code == 202
    drain()
    call_id = posted.json()["id"]
    [listed] = ann.get(f"/service-calls/{call_id}/content").json()
    assert (listed["digest"], listed["name"], listed["size"]) == (digest_of(PDF), "über.pdf", len(PDF))
    got = ann.get(f"/service-calls/{call_id}/content/{digest_of(PDF)}")
    assert (got.status_code, got.content) == (200, PDF)
    assert got["Content-Disposition"].startswith("attachment")
    assert ann.get(f"/service-calls/{call_id}/content/{digest_of(b'')}").status_code == 404
    attempts = ann.get(f"/service-calls/{call_id}/attempts").json()
    assert part.json() in attempts[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("data", "kind", "declared", "status", "code"),
    [
        (b"", "image", "", 422, "content_refused"),
        (png()[:-4], "image", "image/png", 422, "content_refused"),
        (png(), "image", "image/jpeg", 422, "content_refused"),
        (b"<svg/>", "image", "image/svg+xml", 422, "content_refused"),
        (png(), "file", "", 422, "content_refused"),
        (b"%PDF-" + bytes(2000) + b"%%EOF", "file", "", 413, "content_too_large"),
        (png(), "video", "", 422, "invalid_request"),
    ],
)
def test_what_is_refused(
    caller: Callable[..., Caller], settings: Any, data: bytes, kind: str, declared: str, status: int, code: str
) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "MAX_CONTENT_BYTES": {"file": 1000}}
    refused = uploaded(caller("ann", permissions=SUBMIT), data, kind, declared=declared)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert not ContentFile.objects.exists()


@pytest.mark.parametrize(("size", "status", "said"), [(12_000_000, 201, ""), (33_000_000, 413, "32,100,000")])
def test_an_upload_may_be_as_large_as_content(caller: Callable[..., Caller], size: int, status: int, said: str) -> None:
    """Larger than other uploads; what is larger still is refused while it arrives."""
    data = PDF[:-6] + bytes(size - len(PDF)) + PDF[-6:]
    answer = uploaded(caller("ann", permissions=SUBMIT), data, "file", "a.pdf")
    assert (answer.status_code, said in str(answer.json())) == (status, True)
    assert ContentFile.objects.count() == (status == 201)


def test_a_picture_of_the_size_of_a_pdf_is_too_large(caller: Callable[..., Caller]) -> None:
    answer = uploaded(caller("ann", permissions=SUBMIT), png() + bytes(11_000_000), "image")
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert "10,000,000" in answer.json()["message"]


def test_only_own_uploads_can_be_referred_to(caller: Callable[..., Caller]) -> None:
    """A digest that was seen somewhere opens nothing."""
    ann, bob = caller("ann", permissions=SUBMIT), caller("bob", permissions=SUBMIT)
    part = uploaded(ann, png()).json()
    body = {"service": LOOKS, "context": {"shown": [part]}}
    refused = bob.post("/service-calls", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_content")
    batch = bob.post("/service-calls/batch", {"items": [body]})
    assert batch.status_code == 422
    foreign = submit(CallSpec(service=Looks, requested_by=bob.user))
    drain()
    again = bob.post(f"/service-calls/{foreign.pk}/rerun", {"context": {"shown": [part]}})
    assert (again.status_code, again.json()["code"]) == (422, "unknown_content")
    assert uploaded(bob, png()).status_code == 201
    assert bob.post("/service-calls", body).status_code == 202
    assert ContentFile.objects.count() == 1


def test_without_the_scope_bytes_stay_hidden(caller: Callable[..., Caller]) -> None:
    reader = caller("ann", scopes=("calls:read",))
    call = submit(
        CallSpec(service=Looks, context={"shown": [image_now(png(), name="a.png")]}, requested_by=reader.user)
    )
    [listed] = reader.get(f"/service-calls/{call.pk}/content").json()
    assert (listed["name"], listed["content"]) == (None, "hidden")
    assert reader.get(f"/service-calls/{call.pk}/content/{digest_of(png())}").status_code == 403
    other = caller("bob")
    assert other.get(f"/service-calls/{call.pk}/content").status_code == 404
    assert other.get(f"/service-calls/{call.pk}/content/{digest_of(png())}").status_code == 404


def test_uploads_are_erased_with_their_user(
    caller: Callable[..., Caller], django_capture_on_commit_callbacks: Any, stored: Path
) -> None:
    ann = caller("ann", permissions=SUBMIT)
    uploaded(ann, png())
    assert ContentUse.objects.get().uploaded_by == ann.user
    with django_capture_on_commit_callbacks(execute=True):
        erase_subject(ann.user, dry_run=False)
    assert not ContentFile.objects.exists()
    assert [path for path in stored.rglob("*") if path.is_file()] == []
    assert not ServiceCallRecord.objects.exists()
