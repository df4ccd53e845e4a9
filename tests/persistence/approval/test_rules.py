"""When a result waits."""

import pytest
from django.db import connection

from orchestration.components import Approval
from orchestration.models.states import PersistState
from persistence.approval.rules import is_chosen
from persistence.models.approval import Hold, Trigger
from persistence.outbox.outcomes import Outcome
from persistence.testing import persist, stored_result
from tests.persistence.approval.conftest import one_message
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote, NotePersistence
from tests.seedapp.orca.round_trips import ANSWERS, SERVICES, Aliased, Chosen

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def the_hold(record):
    assert persist(record) is Outcome.HELD
    assert not Message.objects.filter(role="assistant").exists()
    return Hold.objects.get(call_id=record.pk)


def test_without_a_declaration_nothing_waits():
    assert persist(note(one_message)) is Outcome.PERSISTED


def test_always(declare):
    declare(always=True)
    record = note(one_message)
    hold = the_hold(record)
    assert record.domain_persist_state == PersistState.HELD
    assert hold.trigger == Trigger.ALWAYS
    assert hold.reason == "Every result waits, says services.seedapp.default.GenerateNote."
    assert hold.shown["parts"][0]["changes"][0]["fields"]["content"] == [None, "hello"]
    assert persist(record) is Outcome.NOT_DUE


def test_a_rule_gives_its_reason_or_none(monkeypatch):
    monkeypatch.setattr(NotePersistence, "needs_approval", lambda self, response: response.structured_data["text"][:3])
    assert the_hold(note(one_message)).reason == "hel"
    monkeypatch.setattr(NotePersistence, "needs_approval", lambda self, response: None)
    assert persist(note(one_message)) is Outcome.PERSISTED


def raises(self, response):
    Message.objects.create(role="rule")
    raise ValueError("a secret")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (raises, "needs_approval failed, so a person must say: ValueError"),
        (lambda self, response: True, "returned a bool; return the reason as text, or None"),
        (lambda self, response: Message.objects.get(pk=0), "DoesNotExist"),
    ],
)
def test_a_rule_that_fails_is_a_reason_itself(monkeypatch, rule, said):
    monkeypatch.setattr(GenerateNote, "needs_approval", rule)
    hold = the_hold(note(one_message))
    assert said in hold.reason
    assert "secret" not in hold.reason
    assert hold.trigger == Trigger.RULE_FAILED
    assert not Message.objects.exists()


def test_a_rule_changes_nothing(monkeypatch):
    def meddling(self, response):
        Message.objects.create(role="rule")
        response.structured_data["text"] = "other"

    monkeypatch.setattr(GenerateNote, "needs_approval", meddling)
    assert persist(note(one_message)) is Outcome.PERSISTED
    assert list(Message.objects.values_list("role", "content")) == [("assistant", "hello")]


def test_what_a_database_cannot_store_in_a_reason_is_escaped(monkeypatch):
    monkeypatch.setattr(GenerateNote, "needs_approval", lambda self, response: "a\0b\ud800" + "x" * 1000)
    assert len(the_hold(note(one_message)).reason) <= 500


def test_a_share_is_drawn_by_the_id_and_grows(declare):
    ids = [f"call-{number}" for number in range(2000)]
    tenth, half = ({each for each in ids if is_chosen(each, percent)} for percent in (10, 50))
    assert tenth < half
    assert 120 < len(tenth) < 280
    assert all(is_chosen(each, 100) for each in ids)
    assert not any(is_chosen(each, 0) for each in ids)
    declare(share=100)
    assert the_hold(note(one_message)).trigger == Trigger.SHARE


@pytest.mark.parametrize(
    ("unsure", "below", "waits"),
    [
        (True, None, True),
        (False, None, False),
        ("the dose", None, True),
        ("", None, False),
        (0.4, 0.5, True),
        (0.5, 0.5, False),
        (None, 0.5, True),
        (True, 0.5, True),
    ],
)
def test_the_model_says_that_it_is_unsure(declare, unsure, below, waits):
    declare(unsure="about.unsure", unsure_below=below)
    record = note(one_message, data={"text": "hello", "about": {"unsure": unsure}})
    assert (persist(record) is Outcome.HELD) is waits


def test_a_field_that_is_missing_is_unsure_as_a_number_only(declare):
    declare(unsure="doubts")
    assert persist(note(one_message)) is Outcome.PERSISTED
    declare(unsure="confidence", unsure_below=0.5)
    assert persist(note(one_message)) is Outcome.HELD


@pytest.mark.parametrize("name", ["group_", "group"])
@pytest.mark.parametrize(("group", "waits"), [("salts", True), ("", False)])
def test_a_field_with_an_alias_says_it_too(monkeypatch, name, group, waits):
    service = SERVICES[Aliased]
    monkeypatch.setattr(service, "approval", Approval(unsure=name))
    assert service.approval.unknown_field(Aliased) == ""
    data = {**ANSWERS[Aliased], "group": group}
    assert (persist(stored_result(service.identity, Aliased, data)) is Outcome.HELD) is waits


def test_a_choice_of_aliases_says_it_too(monkeypatch):
    service = SERVICES[Chosen]
    monkeypatch.setattr(service, "approval", Approval(unsure="one", unsure_below=5))
    answers = ({"first": 1}, {"third": [1]}, {"second": 7}, {"third": [7]})
    outcomes = [persist(stored_result(service.identity, Chosen, each)) for each in answers]
    assert outcomes == [Outcome.HELD, Outcome.HELD, Outcome.PERSISTED, Outcome.PERSISTED]


def test_rows_that_would_change(declare):
    there = Message.objects.create(role="there", content="before")

    def rewrite(handler, response):
        there.content = "after"
        there.save()
        return there

    declare(changes=True)
    assert persist(note(one_message)) is Outcome.PERSISTED
    record = note(rewrite)
    assert persist(record) is Outcome.HELD
    assert Hold.objects.get().reason == "It would update or delete 1 row."
    there.refresh_from_db()
    assert there.content == "before"


def test_more_rows_than_are_declared(declare):
    declare(rows=2)

    def writes(count):
        return lambda handler, response: [Message.objects.create(role="many") for _ in range(count)]

    two, three = writes(2), writes(3)
    two.__qualname__, three.__qualname__ = "two", "three"
    assert persist(note(two)) is Outcome.PERSISTED
    assert persist(note(three)) is Outcome.HELD
    assert Hold.objects.get().reason == "It would touch 3 rows, more than 2."


def by_hand(handler, response):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE seedapp_message SET content = %s", [response.structured_data["text"]])


@pytest.mark.parametrize(
    ("says", "trigger"),
    [({"changes": True}, "changes"), ({"rows": 100}, "rows"), ({"rows": 0, "changes": True}, "changes")],
)
def test_what_cannot_be_followed_waits_where_rows_matter(declare, says, trigger):
    Message.objects.create(role="there", content="before")
    declare(**says, two_persons_above=100)
    hold = the_hold(note(by_hand))
    assert hold.reason == "Nobody can be shown what its hand-written statements change: UPDATE seedapp_message."
    assert (hold.trigger, hold.rows, hold.persons) == (trigger, 0, 2)
    assert Message.objects.get().content == "before"


def test_what_cannot_be_followed_is_no_reason_without_rows(declare):
    declare(unsure="doubts")
    assert persist(note(by_hand)) is Outcome.PERSISTED
    declare(always=True)
    hold = the_hold(note(by_hand))
    assert (hold.reason, hold.persons) == ("Every result waits, says services.seedapp.default.GenerateNote.", 1)


def test_the_setting_adds_to_what_components_say(declare, settings):
    of_all = {"*": {"share": 100, "persons": 2}, "services.seedapp.default.GenerateNote": {"deadline": 60}}
    of_all["services.seedapp.default.GenerateNote"] |= {"at_deadline": "reject", "permission": "auth.view_user"}
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL": of_all}
    declare(always=True, permission="auth.view_group", not_the_requester=True)
    hold = the_hold(note(one_message))
    assert (hold.trigger, hold.persons, hold.not_the_requester) == (Trigger.ALWAYS, 2, True)
    assert hold.permissions == "auth.view_group auth.view_user"
    assert hold.at_deadline == "reject"
    assert round((hold.deadline - hold.opened_at).total_seconds()) == 60


def test_a_handler_that_fails_is_charged_and_never_held(declare):
    def breaks(handler, response):
        raise ValueError("broken")

    declare(always=True)
    record = note(breaks)
    assert persist(record) is Outcome.FAILED
    assert "ValueError" in record.domain_persist_error
    assert not Hold.objects.exists()
