"""Pictures: what they are decides, not what they say they are; only pixels are stored, and nothing is ever script."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.http import HttpResponse
from PIL import Image, PngImagePlugin

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message, MessageMedia
from apps.chatlab.services.pictures import show_missing_pictures
from apps.simulation.models import Simulation, SimulationImage
from apps.simulation.services import image_upload as images
from apps.trainerlab.services.pictures import add_picture
from apps.trainerlab.services.scenarios import start_scenario
from orchestration.models import ServiceCallRecord
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.chatlab.conversation import opened, says
from tests.apps.people import API, Caller, person, signed_in
from tests.apps.training.visits import scenario_of

pytestmark = pytest.mark.django_db
SCRIPT = b"<script>alert(document.cookie)</script>"


@pytest.fixture(autouse=True)
def media_root(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def trainee() -> Caller:
    return signed_in(person())


@pytest.fixture
def simulation(trainee: Caller) -> Simulation:
    return opened(trainee)


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, "red").save(target, kind, **options)
    return target.getvalue()


def upload(
    caller: Caller, simulation: Simulation, content: bytes, declared: str = "image/png", **fields: Any
) -> HttpResponse:
    file = SimpleUploadedFile("../../x.png", content, declared)
    path = f"{API}/simulations/{simulation.uuid}/images"
    return caller.client.post(path, {"file": file, **fields}, headers=caller.headers)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_rewritten_and_served_as_what_it_is(trainee: Caller, simulation: Simulation, kind: str) -> None:
    options: dict[str, Any] = {}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("comment", SCRIPT.decode())
    if kind == "JPEG":
        exif = Image.Exif()
        exif[0x9286], exif[0x0112] = "Mrs. Smith, room 7", 6
        options["exif"] = exif
    declared = f"image/{kind.lower()}"
    answer = upload(trainee, simulation, picture(kind, **options) + SCRIPT, declared, description="rash")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["content_type"], shown["hidden"], shown["description"]) == (declared, False, "rash")
    assert (shown["width"], shown["height"]) == ((30, 40) if kind == "JPEG" else (40, 30)), "turned as it was taken"

    served = trainee.client.get(shown["url"])
    body = served.content
    assert served.headers["Content-Type"] == declared
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in served.headers["Content-Security-Policy"]
    assert SCRIPT not in body
    assert b"Mrs. Smith" not in body
    assert Image.open(io.BytesIO(body)).size == (shown["width"], shown["height"])
    row = SimulationImage.objects.get()
    assert row.size == len(body)
    assert "x.png" not in row.file.name


@pytest.mark.parametrize(
    ("content", "declared", "status", "code"),
    [
        (b"", "image/png", 422, "empty"),
        (SCRIPT, "image/png", 415, "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "not_an_image"),
        (picture("GIF"), "image/gif", 415, "not_an_image"),
        (picture("PNG"), "image/jpeg", 415, "wrong_type"),
        (picture("PNG"), "text/html", 415, "wrong_type"),
        (picture("PNG")[:60], "image/png", 415, "not_an_image"),
    ],
    ids=["empty", "script", "svg", "gif", "png as jpeg", "png as html", "half a png"],
)
def test_what_is_not_a_picture_is_refused(
    trainee: Caller, simulation: Simulation, content: bytes, declared: str, status: int, code: str
) -> None:
    answer = upload(trainee, simulation, content, declared)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not SimulationImage.objects.exists()


def test_a_file_goes_with_the_last_row_that_shows_it(
    tmp_path: Path, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    template = scenario_of(person(UserRole.INSTRUCTOR))
    shown = images.read_picture(SimpleUploadedFile("x.png", picture(), "image/png"))
    original = add_picture(template, shown, "rash")
    first, second = (start_scenario(template, person()) for _ in range(2))
    stored = tmp_path / original.file.name

    def is_left_after_deleting(row: Model) -> bool:
        with django_capture_on_commit_callbacks(execute=True):
            row.delete()
            assert stored.exists(), "the deletion may still be undone"
        return stored.exists()

    assert is_left_after_deleting(first.user), "and with the person the simulation"
    assert is_left_after_deleting(original)
    assert not is_left_after_deleting(second)


def test_a_form_without_a_boundary_is_refused(trainee: Caller, simulation: Simulation) -> None:
    path = f"{API}/simulations/{simulation.uuid}/images"
    answer = trainee.client.generic("POST", path, b"x", "multipart/form-data", headers=trainee.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_form")


def test_too_many_bytes_pixels_or_pictures_are_refused(
    trainee: Caller, simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 2_000)
    monkeypatch.setattr(images, "MAX_PIXELS", 100 * 100)
    monkeypatch.setattr(images, "MAX_PER_SIMULATION", 1)
    assert upload(trainee, simulation, picture() + b"x" * 2_000).json()["code"] == "too_large"
    assert upload(trainee, simulation, picture(size=(101, 100))).json()["code"] == "too_many_pixels"
    assert upload(trainee, simulation, picture()).status_code == 201
    assert upload(trainee, simulation, picture()).json()["code"] == "too_many"


def test_a_picture_is_sent_with_a_message_and_only_ones_own(trainee: Caller, simulation: Simulation) -> None:
    mine = upload(trainee, simulation, picture(), description="my drawing").json()["id"]
    path = f"/simulations/{simulation.uuid}/messages"
    sent = trainee.post(path, {"content": "", "image_ids": [mine]})
    assert sent.status_code == 202, sent.content
    assert (sent.json()["message"]["message_type"], sent.json()["message"]["images"]) == ("image", [mine])
    [text, shown] = _asked(sent.json()["call"]["id"])[1]["content"]
    assert "my drawing" in text["text"]
    stored = SimulationImage.objects.get(uuid=mine)
    told = (shown["part"], shown["name"], shown["size"], shown["content"])
    assert told == ("image", "my drawing", stored.size, f"sha256:{stored.checksum}")
    assert trainee.post(path, {"content": "", "image_ids": []}).status_code == 422

    instructor = signed_in(person(UserRole.INSTRUCTOR))
    hidden = upload(instructor, simulation, picture(), hidden="true").json()["id"]
    foreign = trainee.post(path, {"content": "look", "image_ids": [hidden]})
    assert (foreign.status_code, foreign.json()["code"]) == (409, "unknown_picture")


def test_a_model_that_sees_nothing_is_told_in_words(trainee: Caller, simulation: Simulation, settings: Any) -> None:
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "without": ["images"]}}
    mine = upload(trainee, simulation, picture(), description="my drawing").json()["id"]
    sent = trainee.post(f"/simulations/{simulation.uuid}/messages", {"content": "Look", "image_ids": [mine]})
    assert "my drawing" in _asked(sent.json()["call"]["id"])[1]["content"]


def _asked(call_id: str) -> list[dict[str, Any]]:
    """The messages of the request that a call makes now, which is answered."""
    with scripted(says("Nice.")):
        drain()
    call = ServiceCallRecord.objects.get(pk=call_id)
    assert call.status == "succeeded", call.error
    return call.request_audits.get().messages


def test_a_hidden_picture_is_seen_when_the_patient_shows_it(trainee: Caller, simulation: Simulation) -> None:
    assert upload(trainee, simulation, picture(), hidden="true").status_code == 403
    instructor = signed_in(person(UserRole.INSTRUCTOR))
    assert upload(instructor, simulation, picture()).status_code == 403, "only the owner sends pictures"
    hidden = upload(instructor, simulation, picture(), hidden="true", description="a rash").json()
    assert trainee.get(f"/simulations/{simulation.uuid}/images").json() == []
    assert trainee.client.get(hidden["url"]).status_code == 404
    assert instructor.client.get(hidden["url"]).status_code == 200
    assert signed_in(person()).client.get(hidden["url"]).status_code == 404

    shows = says("Here, look.", "It itches.")
    shows.data["image_requested"] = True
    path = f"/simulations/{simulation.uuid}/messages"
    with scripted(shows):
        asked = trainee.post(path, {"content": "May I see it?"}).json()
        drain()
    assert show_missing_pictures() <= 1, "the signal comes on commit; the sweep does what it did not"
    assert show_missing_pictures() == 0
    prompt = ServiceCallRecord.objects.get(pk=asked["call"]["id"]).request_audits.get().messages
    assert "a rash" in prompt[0]["content"]
    reply = Message.objects.get(image_requested=True)
    assert [str(media.image.uuid) for media in MessageMedia.objects.filter(message=reply)] == [hidden["id"]]
    assert trainee.client.get(hidden["url"]).status_code == 200
    told = simulation.events.get(kind="media").data
    assert (told["sequence"], told["image"]) == (reply.sequence, hidden["id"])


@pytest.mark.django_db(transaction=True)
def test_the_picture_arrives_as_soon_as_its_reply_is_committed(trainee: Caller, simulation: Simulation) -> None:
    upload(signed_in(person(UserRole.INSTRUCTOR)), simulation, picture(), hidden="true")
    shows = says("Here, look.")
    shows.data["image_requested"] = True
    with scripted(shows):
        trainee.post(f"/simulations/{simulation.uuid}/messages", {"content": "May I see it?"})
        drain()
    assert MessageMedia.objects.get().message.content == "Here, look."
    kinds = list(simulation.events.order_by("sequence").values_list("kind", flat=True))
    assert kinds[-3:] == ["message", "delivery", "media"]
    assert show_missing_pictures() == 0
