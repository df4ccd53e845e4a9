"""What people decide, and what becomes of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group

from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.approval.decisions import (
    DecisionOutcome,
    approve,
    assign,
    edit_and_approve,
    preview_edit,
    reject,
    show_again,
)
from persistence.approval.rights import why_not
from persistence.errors import (
    DeadlinePassed,
    HoldClosed,
    InvalidDecision,
    InvalidEdit,
    MayNotDecide,
    NotPersistable,
    OwnRequest,
    SamePerson,
    ShownOutdated,
)
from persistence.models.approval import Decision, DecisionKind, Hold, HoldState
from persistence.provenance import decided_by, provenance_sections
from persistence.reprocessing.reprocess import ReprocessOutcome, reprocess, revert
from persistence.signals import hold_decided, result_held
from persistence.testing import persist
from tests.persistence.approval.conftest import one_message
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote, NoteSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def call_of(hold):
    return ServiceCallRecord.objects.get(pk=hold.call_id)


def rewrites(message):
    def rewrite(handler, response):
        there = Message.objects.get(pk=message.pk)
        there.content = response.structured_data["text"]
        there.save()
        return there

    return rewrite


@pytest.mark.parametrize("note", ["", " \n", "\u200b", "\u202e\u00a0"])
def test_a_reason_that_nobody_can_see_is_none(held, anna, note):
    with pytest.raises(InvalidDecision, match="Say why"):
        reject(held().pk, by=anna, note=note)


def test_true_is_not_the_number_one(held, anna, monkeypatch):
    monkeypatch.setattr(NoteSchema, "model_validate", classmethod(lambda cls, data: data))
    hold = held(
        lambda handler, response: Message.objects.create(content=type(response.structured_data["text"])),
        data={"text": 1},
    )
    preview = preview_edit(hold.pk, {"text": True})
    edit_and_approve(hold.pk, by=anna, answer={"text": True}, shown=preview.digest)
    hold.refresh_from_db()
    assert (hold.state, hold.edited) == (HoldState.EDITED, {"text": True})
    assert "bool" in Message.objects.get().content


# --- approve ----------------------------------------------------------------------------------


def test_approving_persists_what_was_shown(held, anna, told, on_commit):
    hold = held()
    with on_commit():
        decided = approve(hold.pk, by=anna, shown=hold.digest, note="fine")
    assert decided.outcome is DecisionOutcome.PERSISTED
    assert [message.content for message in Message.objects.all()] == ["hello"]
    assert call_of(hold).domain_persist_state == PersistState.PERSISTED
    hold.refresh_from_db()
    assert (hold.state, hold.decided_at is not None) == (HoldState.APPROVED, True)
    assert list(hold.decisions.values_list("kind", "user", "note")) == [("approve", anna.pk, "fine")]
    assert len(told.ready) == len(told.created) == 1


def test_the_same_request_again_gives_the_same_and_does_nothing(held, anna, berta):
    hold = held()
    for _ in range(2):
        assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.PERSISTED
    assert Message.objects.count() == Decision.objects.count() == 1
    with pytest.raises(HoldClosed, match="approved already by anna"):
        approve(hold.pk, by=berta, shown=hold.digest)


def test_when_the_world_moved_it_is_asked_again(held, anna):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    Message.objects.filter(pk=there.pk).update(content="B")
    decided = approve(hold.pk, by=anna, shown=hold.digest)
    assert decided.outcome is DecisionOutcome.MOVED
    assert decided.differences == [f"message {there.pk} updated: content before"]
    there.refresh_from_db()
    assert there.content == "B"
    assert call_of(hold).domain_persist_state == PersistState.HELD
    assert not Decision.objects.exists()
    fresh = Hold.objects.get()
    assert fresh.shown["parts"][0]["changes"][0]["fields"]["content"] == ["B", "hello"]
    with pytest.raises(ShownOutdated):
        approve(hold.pk, by=anna, shown=hold.digest)
    assert approve(hold.pk, by=anna, shown=fresh.digest).outcome is DecisionOutcome.PERSISTED
    there.refresh_from_db()
    assert there.content == "hello"


def test_new_keys_and_the_clock_have_not_moved(held, anna):
    hold = held()
    Message.objects.create(role="takes the next key")
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.PERSISTED


def test_what_fails_now_says_so_and_stays_open(held, anna):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    there.delete()
    decided = approve(hold.pk, by=anna, shown=hold.digest)
    assert decided.outcome is DecisionOutcome.FAILED
    assert "DoesNotExist" in decided.error
    hold.refresh_from_db()
    assert (hold.state, hold.error) == (HoldState.OPEN, decided.error)
    assert reject(hold.pk, by=anna, note="gone").outcome is DecisionOutcome.REJECTED


def test_a_handler_that_disappeared_is_told(held, anna, monkeypatch):
    hold = held()
    monkeypatch.setattr("persistence.handlers.adapters._consumer_for", lambda *key: None)
    decided = approve(hold.pk, by=anna, shown=hold.digest)
    assert decided.outcome is DecisionOutcome.FAILED
    assert "There is no longer a handler or codec for results of schemas.seedapp.default.NoteSchema" in decided.error
    assert call_of(hold).domain_persist_state == PersistState.HELD


def test_two_persons_never_the_same_one(held, anna, berta):
    hold = held(says={"persons": 2})
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.WAITING
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.WAITING, "sent again"
    assert not Message.objects.exists()
    assert hold.decisions.count() == 1
    preview = preview_edit(hold.pk, {"text": "hello"})
    with pytest.raises(SamePerson):
        edit_and_approve(hold.pk, by=anna, answer={"text": "hello"}, shown=preview.digest)
    assert approve(hold.pk, by=berta, shown=hold.digest).outcome is DecisionOutcome.PERSISTED
    assert Message.objects.count() == 1


def test_the_first_of_two_edits_may_be_sent_again(held, anna, berta):
    hold, better = held(says={"persons": 2}), {"text": "better"}
    shown = preview_edit(hold.pk, better).digest
    for _ in range(2):
        done = edit_and_approve(hold.pk, by=anna, answer=better, shown=shown)
        assert done.outcome is DecisionOutcome.WAITING
    assert approve(hold.pk, by=berta, shown=shown).outcome is DecisionOutcome.PERSISTED
    assert list(hold.decisions.values_list("kind", flat=True)) == ["edit", "approve"]


def test_an_approval_counts_while_its_author_may_decide(held, anna, berta, person):
    hold = held(says={"persons": 2})
    approve(hold.pk, by=anna, shown=hold.digest)
    anna.user_permissions.clear()
    assert approve(hold.pk, by=berta, shown=hold.digest).outcome is DecisionOutcome.WAITING
    assert not Message.objects.exists()
    assert approve(hold.pk, by=person("clara"), shown=hold.digest).outcome is DecisionOutcome.PERSISTED


def test_two_persons_above_a_size(held):
    assert held(says={"two_persons_above": 0}).persons == 2
    assert held(says={"two_persons_above": 1}).persons == 1


def test_an_edit_that_grows_above_the_size_takes_two(held, anna, berta):
    def each_word(handler, response):
        return [Message.objects.create(role="word", content=word) for word in response.structured_data["text"].split()]

    hold, longer = held(each_word, data={"text": "one"}, says={"two_persons_above": 1}), {"text": "one two"}
    assert hold.persons == 1
    shown = preview_edit(hold.pk, longer).digest
    assert edit_and_approve(hold.pk, by=anna, answer=longer, shown=shown).outcome is DecisionOutcome.WAITING
    assert not Message.objects.exists()
    assert approve(hold.pk, by=berta, shown=shown).outcome is DecisionOutcome.PERSISTED
    assert list(Message.objects.order_by("pk").values_list("content", flat=True)) == ["one", "two"]


def test_what_grew_since_it_was_shown_takes_two(held, anna, berta):
    def as_many(handler, response):
        return [Message.objects.create(role="word", content="again") for _ in range(1 + Message.objects.count())]

    hold = held(as_many, says={"two_persons_above": 1})
    Message.objects.create(role="there")
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.MOVED
    fresh = Hold.objects.get()
    assert fresh.persons == 2
    assert approve(hold.pk, by=anna, shown=fresh.digest).outcome is DecisionOutcome.WAITING
    assert approve(hold.pk, by=berta, shown=fresh.digest).outcome is DecisionOutcome.PERSISTED
    assert Message.objects.filter(role="word").count() == 2


def test_an_approval_of_what_was_shown_before_does_not_count(held, anna, berta):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there), says={"persons": 2})
    approve(hold.pk, by=anna, shown=hold.digest)
    Message.objects.filter(pk=there.pk).update(content="B")
    assert approve(hold.pk, by=berta, shown=hold.digest).outcome is DecisionOutcome.MOVED
    fresh = Hold.objects.get()
    assert approve(hold.pk, by=berta, shown=fresh.digest).outcome is DecisionOutcome.WAITING
    assert approve(hold.pk, by=anna, shown=fresh.digest).outcome is DecisionOutcome.PERSISTED


# --- who --------------------------------------------------------------------------------------


def test_deciding_needs_the_right_and_what_the_service_names(held, person, anna):
    hold = held(says={"permission": "auth.view_group"})
    watcher = person("watcher", "persistence.view_hold")
    with pytest.raises(MayNotDecide, match=r"persistence\.decide_hold"):
        approve(hold.pk, by=watcher, shown=hold.digest)
    with pytest.raises(MayNotDecide, match=r"auth\.view_group"):
        approve(hold.pk, by=anna, shown=hold.digest)
    blind = person("blind", "persistence.decide_hold", "auth.view_group")
    with pytest.raises(MayNotDecide, match=r"orchestration\.view_content"):
        approve(hold.pk, by=blind, shown=hold.digest)
    both = person("both", "persistence.decide_hold", "orchestration.view_content", "auth.view_group")
    assert why_not(both, hold) == ""
    assert approve(hold.pk, by=both, shown=hold.digest).outcome is DecisionOutcome.PERSISTED


def test_whoever_asked_does_not_decide_where_that_is_declared(held, anna, berta):
    hold = held(says={"not_the_requester": True}, requested_by=anna)
    for decide in (approve, lambda pk, by, shown: reject(pk, by=by, note="no")):
        with pytest.raises(OwnRequest):
            decide(hold.pk, by=anna, shown=hold.digest)
    assert approve(hold.pk, by=berta, shown=hold.digest).outcome is DecisionOutcome.PERSISTED


# --- edit -------------------------------------------------------------------------------------


def test_a_rerun_by_another_is_still_the_first_ones_request(held, anna, berta, person):
    first, again = (held(says={"not_the_requester": True}, requested_by=who) for who in (anna, berta))
    ServiceCallRecord.objects.filter(pk=again.call_id).update(parent=first.call_id)
    for who in (anna, berta):
        with pytest.raises(OwnRequest):
            approve(again.pk, by=who, shown=again.digest)
    assert approve(again.pk, by=person("clara"), shown=again.digest).outcome is DecisionOutcome.PERSISTED


def test_of_an_edited_answer_both_versions_are_kept(held, anna):
    hold = held()
    preview = preview_edit(hold.pk, {"text": "better"})
    assert preview.report.changes[0].fields["content"] == [None, "better"]
    assert not Message.objects.exists()
    decided = edit_and_approve(hold.pk, by=anna, answer={"text": "better"}, shown=preview.digest)
    assert decided.outcome is DecisionOutcome.PERSISTED
    assert Message.objects.get().content == "better"
    hold.refresh_from_db()
    assert (hold.state, hold.answer, hold.edited) == (HoldState.EDITED, {"text": "hello"}, {"text": "better"})
    assert call_of(hold).response().structured_data == {"text": "better"}
    assert hold.decisions.get().kind == DecisionKind.EDIT
    again = edit_and_approve(hold.pk, by=anna, answer={"text": "better"}, shown=preview.digest)
    assert again.outcome is DecisionOutcome.PERSISTED


def test_every_row_says_who_edited_and_who_approved(held, anna, berta):
    hold = held(says={"persons": 2})
    preview = preview_edit(hold.pk, {"text": "better"})
    edit_and_approve(hold.pk, by=anna, answer={"text": "better"}, shown=preview.digest)
    approve(hold.pk, by=berta, shown=preview.digest)
    assert decided_by([hold.call_id]) == {hold.call_id: f"edited by {anna}, approved by {berta}"}
    (section,) = provenance_sections(Message.objects.get())
    assert f"edited by {anna}" in section.context["entries"][0]


def test_an_edit_that_was_not_previewed_is_shown_first(held, anna):
    hold = held()
    decided = edit_and_approve(hold.pk, by=anna, answer={"text": "better"}, shown=hold.digest)
    assert decided.outcome is DecisionOutcome.MOVED
    assert decided.shown.digest == preview_edit(hold.pk, {"text": "better"}).digest
    assert not Message.objects.exists()
    hold.refresh_from_db()
    assert hold.edited is None


@pytest.mark.parametrize("identity", ["", "schemas.seedapp.default.Gone"])
def test_without_its_schema_an_answer_cannot_be_edited(held, anna, identity):
    hold = held()
    ServiceCallRecord.objects.filter(pk=hold.call_id).update(schema_identity=identity)
    with pytest.raises(InvalidEdit, match="no longer registered"):
        preview_edit(hold.pk, {"text": "a"})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "text: Field required"),
        ({"text": 5}, "text: Input should be a valid string"),
        ({"text": "a", "more": 1}, "more: Extra inputs"),
        (["text"], "it must be a JSON object"),
        ({"text": "\ud800"}, "surrogate"),
        ({"text": float("inf")}, "answer.text"),
    ],
)
def test_an_edit_is_validated_like_an_answer(held, anna, answer, said):
    hold = held()
    with pytest.raises(InvalidEdit, match=said):
        preview_edit(hold.pk, answer)
    with pytest.raises(InvalidEdit):
        edit_and_approve(hold.pk, by=anna, answer=answer, shown="")


def test_an_edit_that_its_handler_does_not_take_is_told(held):
    def only_hello(handler, response):
        if response.structured_data["text"] != "hello":
            raise ValueError("a secret")
        return one_message(handler, response)

    hold = held(only_hello)
    with pytest.raises(NotPersistable, match="With this edit it cannot be persisted: ValueError"):
        preview_edit(hold.pk, {"text": "better"})


def test_an_edit_takes_a_second_person_where_two_are_asked(held, anna, berta):
    hold = held(says={"persons": 2})
    preview = preview_edit(hold.pk, {"text": "better"})
    done = edit_and_approve(hold.pk, by=anna, answer={"text": "better"}, shown=preview.digest)
    assert done.outcome is DecisionOutcome.WAITING
    with pytest.raises(ShownOutdated):
        approve(hold.pk, by=berta, shown=hold.digest)
    hold.refresh_from_db()
    assert approve(hold.pk, by=berta, shown=hold.digest).hold.state == HoldState.EDITED
    assert Message.objects.get().content == "better"


def test_an_edit_that_changes_nothing_is_an_approval(held, anna):
    hold = held()
    preview = preview_edit(hold.pk, {"text": "hello"})
    assert preview.digest == hold.digest
    decided = edit_and_approve(hold.pk, by=anna, answer={"text": "hello"}, shown=preview.digest)
    assert (decided.hold.state, decided.hold.edited) == (HoldState.APPROVED, None)


# --- reject, assign ---------------------------------------------------------------------------


def test_rejecting_writes_nothing_and_tells_why(held, anna, told, on_commit):
    hold = held()
    with on_commit():
        assert reject(hold.pk, by=anna, note="wrong patient").outcome is DecisionOutcome.REJECTED
    call = call_of(hold)
    assert (call.domain_persist_state, call.domain_persist_error) == (PersistState.SKIPPED, "Rejected.")
    assert not Message.objects.exists()
    assert hold.decisions.get().note == "wrong patient"
    assert [each["error_code"] for each in told.failed] == ["rejected"]
    with pytest.raises(HoldClosed):
        approve(hold.pk, by=anna, shown=hold.digest)
    assert reject(hold.pk, by=anna, note="wrong patient").outcome is DecisionOutcome.REJECTED


def test_the_model_may_be_asked_again_with_the_reason(held, anna):
    hold = held()
    call = call_of(hold)
    with pytest.raises(InvalidDecision, match="no longer stored"):
        reject(hold.pk, by=anna, note="too long", rerun=True)
    audit = AIRequestAudit(call=call, correlation_id=call.correlation_id, messages=[{"role": "user", "content": "hi"}])
    audit.save()
    decided = reject(hold.pk, by=anna, note="too long", rerun=True)
    new = ServiceCallRecord.objects.get(pk=decided.made)
    sent = new.service_kwargs["messages"]
    assert (new.parent_id, sent[0]["content"]) == (call.pk, "hi")
    assert "for this reason: too long" in sent[-1]["content"]


def test_a_result_is_assigned_to_who_may_decide(held, anna, berta, person):
    hold = held()
    assign(hold.pk, by=anna, user=berta, note="yours")
    assert list(Hold.objects.assigned_to(berta)) == [hold]
    group = Group.objects.create(name="doctors")
    berta.groups.add(group)
    assign(hold.pk, by=anna, group=group, escalate=True)
    assert list(Hold.objects.assigned_to(berta)) == [hold]
    assert list(hold.decisions.values_list("kind", flat=True)) == ["assign", "escalate"]
    with pytest.raises(InvalidDecision, match="cannot be asked"):
        assign(hold.pk, by=anna, user=person("watcher", "persistence.view_hold"))
    with pytest.raises(MayNotDecide):
        assign(hold.pk, by=person("other", "persistence.view_hold"), user=berta)


# --- what happened meanwhile ------------------------------------------------------------------


def test_what_is_gone_meanwhile_is_superseded(held, anna):
    hold = held()
    ServiceCallRecord.objects.filter(pk=hold.call_id).delete()
    assert approve(hold.pk, by=anna, shown=hold.digest).outcome is DecisionOutcome.SUPERSEDED
    hold.refresh_from_db()
    assert hold.state == HoldState.SUPERSEDED


def test_what_was_purged_meanwhile_is_superseded(held, anna):
    hold = held()
    ServiceCallRecord.objects.filter(pk=hold.call_id).update(result=None)
    assert reject(hold.pk, by=anna, note="no").outcome is DecisionOutcome.SUPERSEDED


def test_a_held_result_is_neither_reprocessed_nor_reverted(held):
    hold = held()
    report = reprocess(hold.call_id)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "waits for approval" in report.error
    assert revert(hold.call_id).outcome is ReprocessOutcome.REFUSED


def test_reprocessing_holds_a_result_that_must_be_seen(declare):
    record = note(one_message)
    declare(always=True)
    assert reprocess(record.pk).outcome is ReprocessOutcome.HELD
    assert Hold.objects.get().is_open
    assert not Message.objects.exists()


def test_a_rejected_result_that_is_reprocessed_waits_again(held, anna):
    hold = held()
    reject(hold.pk, by=anna, note="no")
    assert reprocess(hold.call_id).outcome is ReprocessOutcome.HELD
    assert Hold.objects.open().get().pk != hold.pk


def test_a_deadline_that_passed_decides(held, anna):
    hold = held(says={"deadline": timedelta(minutes=1), "at_deadline": "reject"})
    Hold.objects.update(deadline=hold.opened_at)
    with pytest.raises(DeadlinePassed):
        approve(hold.pk, by=anna, shown=hold.digest)


def test_it_can_be_shown_again(held):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    Message.objects.filter(pk=there.pk).update(content="B")
    fresh = show_again(hold.pk)
    assert fresh.digest != hold.digest
    assert fresh.moved == [f"message {there.pk} updated: content before"]


def test_signals_tell_of_holds_and_decisions(declare, anna, on_commit):
    heard = []

    def listen(**named):
        heard.append(named)

    result_held.connect(listen)
    hold_decided.connect(listen)
    declare(always=True)
    record = note(one_message)
    with on_commit():
        persist(record)
    hold = Hold.objects.get()
    with on_commit():
        approve(hold.pk, by=anna, shown=hold.digest)
    assert [each["sender"] for each in heard] == [GenerateNote, GenerateNote]
    assert heard[0]["trigger"] == "always"
    assert {"kind": "approve", "state": "approved", "user_id": anna.pk}.items() <= heard[1].items()
