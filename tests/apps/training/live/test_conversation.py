"""Live pages are sent what they lack and nothing twice; whatever people write stays text; refusals say what to do."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models.roles import UserRole
from apps.chatlab.models import MAX_CONTENT, Message
from apps.simulation.models import Simulation, SimulationImage, SimulationMetadata
from apps.simulation.services.lifecycle import end_simulation
from apps.trainerlab.models import InstructorNote, ScenarioTemplate, SessionEvent
from apps.trainerlab.services.commands import pause
from apps.training.demo.cases import rash_picture
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.people import person
from tests.apps.training.visits import Visitor, begun, elements, scenario_of, shown_sequences, versions

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PLANTED = "<script>alert(1)</script>"


@pytest.fixture
def instructor() -> Visitor:
    return Visitor(person(UserRole.INSTRUCTOR, first_name="Ines", last_name=PLANTED))


@pytest.fixture
def trainee() -> Visitor:
    return Visitor(person(first_name="Tess", last_name=PLANTED))


@pytest.fixture
def template(instructor: Visitor) -> ScenarioTemplate:
    return scenario_of(instructor.user, sim_patient_full_name=f"Rosa {PLANTED}", title=f"Headache {PLANTED}")


@pytest.fixture
def running(template: ScenarioTemplate, trainee: Visitor) -> Simulation:
    return begun(template, trainee.user)


def at(simulation: Simulation, place: str = "") -> str:
    return f"/simulations/{simulation.uuid}{place}"


def test_a_page_is_sent_each_message_once_and_later_changes(trainee: Visitor, running: Simulation) -> None:
    page = trainee.get(at(running)).content.decode()
    last = max(shown_sequences(page))
    assert trainee.live(at(running), last, versions(page)) == ""  # nothing happened

    assert trainee.send(at(running, "/say"), content="When did it begin?", client_id="k1").status_code == 204
    assert trainee.send(at(running, "/say"), content="When did it begin?", client_id="k1").status_code == 204
    added = trainee.live(at(running), last, versions(page))
    assert shown_sequences(added) == [last + 1]
    assert "is typing" in added
    assert 'id="composer"' not in added  # what is being typed stays

    drain()
    have = versions(added) + "," + versions(page)
    news = trainee.live(at(running), last + 1, have)
    assert shown_sequences(news) == [last + 2]
    assert "Delivered" in news
    assert "this morning" in news
    assert Message.objects.get(sequence=last + 2).is_read
    whole = trainee.get(at(running)).content.decode()
    assert shown_sequences(whole) == list(range(1, last + 3))
    assert Message.objects.filter(client_id="k1").count() == 1


@pytest.mark.parametrize("have", ["", "x", ":::", "delivery-99999:abc,pictures-7:x", "state:" + "z" * 30_000])
def test_what_a_page_claims_to_have_may_be_anything(trainee: Visitor, running: Simulation, have: str) -> None:
    answer = trainee.client.get(f"/training{at(running)}/live", {"after": "-1 or 1=1", "have": have})
    assert answer.status_code == 200
    assert shown_sequences(answer.content.decode())[0] == 1


def test_planted_html_is_text_on_every_page(
    trainee: Visitor, instructor: Visitor, running: Simulation, template: ScenarioTemplate
) -> None:
    trainee.send(at(running, "/say"), content=f"Hello {PLANTED}", client_id=PLANTED)
    instructor.send(at(running, "/commands/event"), text=f"Noise {PLANTED}", command_key="e1")
    instructor.send(at(running, "/notes"), text=f"Note {PLANTED}", message_sequence=1)
    SimulationMetadata.objects.create(simulation=running, kind="history", key=PLANTED, value=PLANTED)
    template.findings = [{"kind": "lab_result", "key": f'"{PLANTED}', "value": PLANTED}]
    template.summary = PLANTED
    template.save()
    drain()
    trainee.post(at(running, "/end"))
    drain()
    pages = [trainee.get(place) for place in ("/simulations", at(running), at(running, "/feedback"))]
    pages += [
        instructor.get(place)
        for place in (
            "/board",
            at(running, "/watch"),
            at(running, "/debrief"),
            "/scenarios",
            f"/scenarios/{template.uuid}",
            "/assignments",
        )
    ]
    for page in pages:
        html = page.content.decode()
        assert page.status_code == 200
        assert "alert(1)" in html
        assert PLANTED not in html
        assert not [attributes for tag, attributes in elements(html) if tag == "script" and "src" not in attributes]


def test_refusals_are_sentences_and_change_nothing(trainee: Visitor, instructor: Visitor, running: Simulation) -> None:
    before = Message.objects.count()
    empty = trainee.send(at(running, "/say"), content="  ")
    assert (empty.status_code, empty.content.decode()) == (422, "Write something, or send a picture.")
    long = trainee.send(at(running, "/say"), content="x" * 1_000_000)
    assert long.status_code == 422
    assert f"{MAX_CONTENT:,}" in long.content.decode()
    assert "Write something first" in trainee.send(at(running, "/order"), tests=" \n ").content.decode()
    script = SimpleUploadedFile("x.png", b"<script>alert(1)</script>", content_type="image/png")
    picture = trainee.send(at(running, "/picture"), picture=script, description="My picture")
    assert picture.status_code == 409
    assert "not a PNG, JPEG or WebP" in picture.content.decode()
    assert picture["Content-Type"].startswith("text/plain")

    pause(running.pk, instructor.user, "p1")
    paused = trainee.send(at(running, "/say"), content="Hello?")
    assert (paused.status_code, "paused" in paused.content.decode()) == (409, True)
    upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
    assert trainee.send(at(running, "/picture"), picture=upload, description="A rash").status_code == 409
    assert not SimulationImage.objects.exists(), "a picture that was not sent is not kept"
    assert "has paused the session" in trainee.get(at(running)).content.decode()
    assert "instructor has paused" in trainee.post(at(running, "/say"), content="Hello?").content.decode()

    trainee.post(at(running, "/end"))
    trainee.post(at(running, "/end"))
    ended = trainee.send(at(running, "/say"), content="Hello?")
    assert "has ended" in ended.content.decode()
    assert Message.objects.count() == before


def test_a_picture_becomes_a_message_once(trainee: Visitor, running: Simulation) -> None:
    for _ in range(2):
        upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
        sent = trainee.send(at(running, "/picture"), picture=upload, description="A rash", client_id="p1")
        assert sent.status_code == 204, sent.content
    message = Message.objects.get(client_id="p1")
    assert message.media.count() == 1
    html = trainee.live(at(running), message.sequence - 1)
    source = next(attributes["src"] for tag, attributes in elements(html) if tag == "img")
    answer = trainee.client.get(source)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert Visitor(person()).client.get(source).status_code == 404


def test_a_failed_question_says_so_and_can_be_tried_again(trainee: Visitor, running: Simulation, settings) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_MAX_ATTEMPTS": 1}
    trainee.send(at(running, "/say"), content="Where?", client_id="k1")
    page = trainee.get(at(running)).content.decode()
    with scripted(Fault(kind="server_error", times=0)):
        drain()
    question = Message.objects.get(client_id="k1")
    failed = trainee.live(at(running), question.sequence, versions(page))
    assert 'role="alert"' in failed
    assert "Try again" in failed
    retry = at(running, f"/messages/{question.pk}/retry")
    assert trainee.send(retry).status_code == 204
    assert trainee.send(retry).status_code == 409
    drain()
    assert "Delivered" in trainee.live(at(running), question.sequence, versions(failed))
    assert trainee.send(at(running, "/messages/999999/retry")).status_code == 404


def test_a_failed_opening_and_a_failed_feedback_can_be_retried(
    trainee: Visitor, template: ScenarioTemplate, settings
) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_MAX_ATTEMPTS": 1}
    broken = Fault(kind="server_error", times=0)
    with scripted(broken):
        simulation = begun(template, trainee.user)
    page = trainee.get(at(simulation)).content.decode()
    assert "The session could not start." in page
    assert trainee.send(at(simulation, "/retry-opening")).status_code == 204
    assert "is coming in" in trainee.live(at(simulation), 0, versions(page))
    drain()
    assert shown_sequences(trainee.live(at(simulation), 0, versions(page))) == [1]
    assert trainee.send(at(simulation, "/retry-opening")).status_code == 409

    trainee.send(at(simulation, "/say"), content="When did it begin?")
    drain()
    ended = trainee.post(at(simulation, "/end")).content.decode()
    with scripted(broken):
        drain()
    failed = trainee.live(at(simulation, "/feedback"), 0, versions(ended))
    assert "The feedback could not be written" in failed
    assert "Try again" in failed
    assert trainee.send(at(simulation, "/feedback/regenerate")).status_code == 204
    drain()
    assert "Patient" in trainee.live(at(simulation, "/feedback"), 0, versions(failed))


def test_commands_are_carried_out_once_and_bad_ones_say_why(
    trainee: Visitor, instructor: Visitor, running: Simulation
) -> None:
    for _ in range(2):
        assert instructor.send(at(running, "/commands/event"), text="It rings.", command_key="c1").status_code == 204
    assert instructor.send(at(running, "/commands/finding"), prepared="Sodium", command_key="c2").status_code == 204
    for fields, complaint in (
        ({"command_key": "c3"}, "required"),
        ({"text": "x"}, "Reload the page"),
        ({"text": "Other words.", "command_key": "c1"}, "command key"),
    ):
        answer = instructor.send(at(running, "/commands/event"), **fields)
        assert complaint in answer.content.decode()
        assert answer.status_code in {409, 422}
    assert (
        "Choose a finding"
        in instructor.send(at(running, "/commands/finding"), prepared="?", command_key="c4").content.decode()
    )
    assert instructor.send(at(running, "/commands/explode"), command_key="c5").status_code == 404
    assert "no message" in instructor.send(at(running, "/notes"), text="x", message_sequence=99).content.decode()
    assert list(SessionEvent.objects.values_list("kind", flat=True)) == ["event", "finding"]
    assert trainee.get(at(running)).content.decode().count("It rings.") == 1


def test_only_the_author_changes_or_removes_a_note(trainee: Visitor, instructor: Visitor, running: Simulation) -> None:
    for text, number in (("Wam welcome.", 1), ("Too long.", "")):
        instructor.send(at(running, "/notes"), text=text, message_sequence=number)
    note, other = InstructorNote.objects.order_by("pk")
    place, watched = at(running, f"/notes/{note.pk}"), instructor.get(at(running, "/watch")).content.decode()
    assert f'href="/training{place}"' in watched
    assert "Wam welcome." in instructor.get(place).content.decode()
    stranger = Visitor(person(UserRole.INSTRUCTOR))
    assert f"/notes/{note.pk}" not in stranger.get(at(running, "/watch")).content.decode()
    for somebody, where in ((trainee, place), (stranger, place), (instructor, at(running, "/notes/999"))):
        assert (somebody.get(where).status_code, somebody.post(where, remove="1").status_code) == (404, 404)

    empty = instructor.post(place, text=" ")
    assert (empty.status_code, "required" in empty.content.decode()) == (422, True)
    changed = instructor.post(place, text="Warm welcome.")
    assert "The note has been saved." in changed.content.decode()
    assert "Warm welcome." in instructor.live(at(running, "/watch"), 0, versions(watched))
    end_simulation(running)
    removed = instructor.post(at(running, f"/notes/{other.pk}"), remove="1").content.decode()
    assert "The note has been deleted." in removed
    assert "Warm welcome." in removed
    assert "Too long." not in removed
    assert list(InstructorNote.objects.values_list("content", flat=True)) == ["Warm welcome."]


def test_feedback_waits_for_a_running_reply_and_can_be_polled(trainee: Visitor, running: Simulation) -> None:
    trainee.send(at(running, "/say"), content="It is a migraine, is it not?")
    page = trainee.post(at(running, "/end")).content.decode()
    assert "The feedback is being written" in page
    early = trainee.send(at(running, "/feedback/ask"), question="Was I right?", client_id="q1")
    assert (early.status_code, "no feedback" in early.content.decode()) == (409, True)
    assert trainee.send(at(running, "/feedback/regenerate")).status_code == 409
    drain()
    news = trainee.live(at(running, "/feedback"), 0, versions(page))
    assert "Found" in news
    assert "migraine" in news
    assert trainee.send(at(running, "/feedback/ask"), question="Was I right?", client_id="q1").status_code == 204
    assert trainee.send(at(running, "/feedback/ask"), question="", client_id="q2").status_code == 422
    drain()
    assert "What went well" in trainee.live(at(running, "/feedback"), 0, versions(news))
    whole = trainee.get(at(running, "/feedback")).content.decode()
    assert trainee.live(at(running, "/feedback"), 0, versions(whole)) == ""


def test_a_page_without_a_session_is_sent_to_sign_in_as_a_whole(trainee: Visitor, running: Simulation) -> None:
    trainee.client.logout()
    where = f"http://testserver/training{at(running)}"
    answer = trainee.client.get(f"/training{at(running)}/live", headers={"HX-Request": "true", "HX-Current-URL": where})
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == f"/accounts/sign-in?next=/training{at(running)}"
    assert trainee.get(at(running)).status_code == 302
