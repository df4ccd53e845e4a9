"""Decisions as training data, and as figures."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError

from orchestration.clock import database_now
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.approval.decisions import approve, edit_and_approve, preview_edit, reject
from persistence.approval.figures import approval_metrics
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.kept import what_stays
from persistence.maintenance.retention import prune
from persistence.models.approval import Hold
from persistence.reprocessing.reprocess import revert

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def asked(held):
    def hold(content="Say hello."):
        made = held()
        call = ServiceCallRecord.objects.get(pk=made.call_id)
        messages = [{"role": "user", "content": content}]
        AIRequestAudit(call=call, correlation_id=call.correlation_id, messages=messages, outcome="answered").save()
        return made

    return hold


def lines(form, **options):
    out = StringIO()
    call_command("export_approvals", format=form, stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def edit(hold, by, text):
    preview = preview_edit(hold.pk, {"text": text})
    edit_and_approve(hold.pk, by=by, answer={"text": text}, shown=preview.digest)


def test_an_edit_is_an_example_and_a_preference(asked, anna):
    edit(asked(), anna, "better ü")
    question = {"role": "user", "content": "Say hello."}
    better, worse = ({"role": "assistant", "content": f'{{"text": "{text}"}}'} for text in ("better ü", "hello"))
    assert lines("dialogue") == [{"messages": [question, better]}]
    (pair,) = lines("preference")
    assert pair == {
        "input": {"messages": [question]},
        "preferred_output": [better],
        "non_preferred_output": [worse],
    }


def test_what_another_service_made_of_a_rejection_is_no_rerun(asked, anna, held):
    hold, other = asked(), held(data={"text": "other"})
    approve(other.pk, by=anna, shown=other.digest)
    reject(hold.pk, by=anna, note="bad")
    ServiceCallRecord.objects.filter(pk=other.call_id).update(parent=hold.call_id)
    assert len(lines("preference")) == 1
    Hold.objects.filter(pk=other.pk).update(service_identity="services.seedapp.default.Other")
    ServiceCallRecord.objects.filter(pk=other.call_id).update(service_identity="services.seedapp.default.Other")
    assert lines("preference") == []


def test_what_was_reverted_teaches_nothing(asked, anna):
    hold = asked()
    edit(hold, anna, "better")
    assert (len(lines("dialogue")), len(lines("preference"))) == (1, 1)
    revert(hold.call_id)
    assert (lines("dialogue"), lines("preference")) == ([], [])


def test_an_approval_is_an_example_only(asked, anna):
    hold = asked()
    approve(hold.pk, by=anna, shown=hold.digest)
    assert len(lines("dialogue")) == 1
    assert lines("preference") == []
    assert lines("dialogue", service="services.none.none.None") == []


def test_a_rejection_teaches_with_its_approved_rerun(asked, held, anna):
    hold = asked()
    made = reject(hold.pk, by=anna, note="too short", rerun=True).made
    assert lines("preference") == []
    again = held(data={"text": "longer"})
    ServiceCallRecord.objects.filter(pk=again.call_id).update(parent=hold.call_id)
    ServiceCallRecord.objects.filter(pk=made).delete()
    approve(again.pk, by=anna, shown=again.digest)
    (pair,) = lines("preference")
    assert pair["preferred_output"][0]["content"] == '{"text": "longer"}'


def test_while_it_waits_what_was_asked_stays(asked, anna):
    hold, days = asked(), {"calls": 30, "requests": 30, "responses": 30, "tools": 30}
    later = database_now() + timedelta(days=31)
    assert not any(prune(days=days, dry_run=False, now=later).rows.values())
    edit(hold, anna, "better")
    assert len(lines("preference")) == 1
    assert prune(days=days, dry_run=False, now=later).rows["requests"] == 1
    assert lines("preference") == []


def test_what_showed_pictures_gives_no_line(asked, anna):
    edit(asked([{"type": "text", "text": "Look."}]), anna, "better")
    assert lines("dialogue") == []


def test_a_time_that_is_none_is_refused():
    with pytest.raises(CommandError, match="--since is a time like"):
        lines("dialogue", since="yesterday")


def test_metrics_tell_what_waits_and_what_became_of_today(asked, anna):
    cache.clear()
    edit(asked(), anna, "better")
    asked()
    found = {metric.name: metric.samples for metric in approval_metrics()}
    assert found["approvals_waiting"] == [({"service": "services.seedapp.default.GenerateNote"}, 1.0)]
    by_state = {labels["state"]: value for labels, value in found["approvals_today"]}
    assert (by_state["edited"], by_state["open"]) == (1.0, 1.0)
    assert len(found["approval_seconds_today"]) == 1


def test_what_is_pruned_leaves_no_digests_of_its_values(asked, anna):
    hold = asked()
    approve(hold.pk, by=anna, shown=hold.digest)
    assert Hold.objects.get(pk=hold.pk).essence
    later = database_now() + timedelta(days=31)
    for purged in (1, 0):
        assert prune(days={"holds": 30}, dry_run=False, now=later).rows["holds"] == purged
    assert Hold.objects.get(pk=hold.pk).essence == {}


def test_an_erasure_takes_the_words_of_who_decided(asked, anna):
    """What stays of a decision is who, when, what kind, and the digest, which is declared."""
    hold = asked()
    approve(hold.pk, by=anna, shown=hold.digest, note="Ada lives in Turin.")
    ServiceCallRecord.objects.filter(pk=hold.call_id).update(requested_by=anna)
    assert erase_subject(anna, dry_run=False).rows["decisions"] == 1
    (decision,) = Hold.objects.get(pk=hold.pk).decisions.all()
    assert (decision.note, decision.user, decision.digest) == ("", anna, hold.digest)
    declared = [why for label, columns, why in what_stays() if (label, columns) == ("persistence.Decision", "digest")]
    assert len(declared) == 1
    assert declared[0].startswith("What a person decided on")
