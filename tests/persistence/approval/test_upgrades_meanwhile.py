"""The schema of a held answer gets a new version before anybody has decided."""

import pytest

from orchestration.components import Approval
from persistence.approval.decisions import DecisionOutcome, approve, assign, edit_and_approve, preview_edit, reject
from persistence.approval.showing import answers_of
from persistence.handlers import schema_upgrades
from persistence.models.approval import Hold, HoldState
from persistence.testing import persist
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.reprocessed import GenerateMemo, MemoSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
EDIT = {"text": "5", "tone": "plain"}
KEY = (str(MemoSchema.identity), 3)


@pytest.fixture
def upgrade(monkeypatch):
    def deploy(step=None):
        """Version 4 of the schema, with this upgrade, or without one."""
        monkeypatch.setattr(MemoSchema, "version", 4)
        if step is not None:
            monkeypatch.setitem(schema_upgrades._steps, KEY, step)

    return deploy


@pytest.fixture
def edited(monkeypatch, anna):
    """An edit that waits for the second person."""
    monkeypatch.setattr(GenerateMemo, "approval", Approval(always=True, persons=2))
    record = memo()
    persist(record)
    preview = preview_edit(Hold.objects.get().pk, EDIT)
    edit_and_approve(Hold.objects.get().pk, by=anna, answer=EDIT, shown=preview.digest)
    return record, Hold.objects.get()


def in_cents(data):
    return {**data, "text": data["text"] + "00"}


def test_an_edit_is_upgraded_shown_and_asked_about_again(edited, upgrade, anna, berta):
    record, hold = edited
    upgrade(in_cents)
    assert answers_of(hold).current == {"text": "500", "tone": "plain"}
    decided = approve(hold.pk, by=berta, shown=hold.digest)
    assert (decided.outcome, Message.objects.count()) == (DecisionOutcome.MOVED, 0)
    hold.refresh_from_db()
    assert (hold.answer["text"], hold.edited["text"]) == ("hi00", "500")
    for person in (anna, berta):
        approve(hold.pk, by=person, shown=hold.digest)
    assert Message.objects.get().content == "500"
    record.refresh_from_db()
    assert (record.schema_version, record.result["structured_data"]["text"]) == (4, "500")


def fails(data):
    raise ValueError("a secret")


@pytest.mark.parametrize(
    ("step", "said"), [(None, "no upgrade from version 3"), (fails, "an upgrade raised ValueError")]
)
def test_without_an_upgrade_it_says_so_and_is_rejected(edited, upgrade, anna, berta, step, said):
    _, hold = edited
    upgrade(step)
    kept = answers_of(hold)
    assert (kept.current, said in kept.why, "secret" in kept.why) == (EDIT, True, False)
    decided = approve(hold.pk, by=berta, shown=hold.digest)
    assert (decided.outcome, said in decided.error) == (DecisionOutcome.FAILED, True)
    assert assign(hold.pk, by=berta, user=anna).outcome is DecisionOutcome.ASSIGNED
    assert reject(hold.pk, by=berta, note="too late").outcome is DecisionOutcome.REJECTED
    assert (Hold.objects.get().state, Message.objects.count()) == (HoldState.REJECTED, 0)
