"""Reruns over many: what they would cost, and each old answer beside its new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from orchestration.models import ModelPrice, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from orchestration.theme.words import id_cell
from persistence.admin import pairs
from persistence.bulk.runs import freeze_rows, start
from persistence.bulk.worker import work
from persistence.models import BulkItem, BulkRun
from persistence.operations import RERUN
from tests.persistence.reprocessing.test_rerun import answered
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def url(run: BulkRun) -> str:
    return reverse("admin:persistence_run_pairs", args=(run.pk,))


def tickets(*answers: str) -> list[ServiceCallRecord]:
    calls = []
    for answer in answers:
        call = GenerateTicketAnswer.using(context={"ticket": f"The {answer} is broken."}).enqueue_now()
        calls.append(answered(answer, ServiceCallRecord.objects.get(pk=call.id)))
    return calls


def rerun_of_all(**options: Any) -> BulkRun:
    run = freeze_rows(RERUN.key, ServiceCallRecord.objects.order_by("pk"), options=options)
    start(run)
    work(run.pk)
    return run


def test_each_answer_is_beside_the_one_that_was_made_of_it(root: Client) -> None:
    first, second = tickets("one", "two")
    run = rerun_of_all(model="gpt-4o")
    assert "2 pairs" in html(root.get(url(run)))
    assert 'hx-trigger="every 3s"' in html(root.get(url(run))), "the new calls still wait"
    with scripted(
        Fault(kind="json", data={"answer": "one", "urgent": False}, contains="The one"),
        Fault(kind="json", data={"answer": "three", "urgent": True}, contains="The two"),
    ):
        drain()
    made = dict(BulkItem.objects.filter(run=run).values_list("call_id", "made_call_id"))
    assert ServiceCallRecord.objects.get(pk=made[first.pk]).parent == first
    page = html(root.get(url(run)))
    assert f"{id_cell(first.pk)}: the same" in page
    assert f"{id_cell(second.pk)}: 2 differences" in page
    assert "<del>two</del>" in page
    assert "<ins>three</ins>" in page
    assert "<td>gpt-4o-mini</td><td>gpt-4o</td>" in page
    assert reverse("admin:persistence_compare", args=(second.pk, made[second.pk])) in page
    assert reverse("admin:persistence_dry_run", args=(made[second.pk],)) in page
    assert 'hx-trigger="every 3s"' not in page
    assert Message.objects.count() == 2, "only the originals wrote"
    assert LogEntry.objects.filter(object_id=first.pk, change_message__contains="in the pairs of bulk run").exists()
    assert url(run) in html(root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))))


def test_persisting_the_new_results_is_a_choice_of_its_own(root: Client) -> None:
    tickets("one")
    run = rerun_of_all(persist=True)
    drain()
    assert Message.objects.count() == 2
    assert "What persisting the new answer would write" not in html(root.get(url(run)))
    draft = freeze_rows(RERUN.key, ServiceCallRecord.objects.all(), options={"persist": True})
    page = html(root.get(reverse("admin:persistence_bulkrun_change", args=(draft.pk,))))
    assert "the handlers write to the domain again, beside what the originals made" in page


def test_the_cost_is_estimated_before(root: Client) -> None:
    (call,) = tickets("one")
    ServiceCallRecord.objects.filter(pk=call.pk).update(
        provider="openai", model="gpt-4o-mini", input_tokens=1_000_000, output_tokens=0, total_tokens=1_000_000
    )
    for model, price in (("gpt-4o-mini", 2), ("gpt-4o", 5)):
        ModelPrice.objects.create(
            provider="openai",
            model=model,
            valid_from="2020-01-01T00:00:00Z",
            input_per_million=price,
            cached_input_per_million=0,
            output_per_million=0,
        )
    calls = ServiceCallRecord.objects.all()
    for options, amount in (({}, "2"), ({"model": "gpt-4o"}, "5")):
        run = freeze_rows(RERUN.key, calls, options=options)
        assert run.forecast["cost"] == {"amount": amount, "currency": "USD", "calls": 1, "unknown": 0}
        page = html(root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))))
        assert f"About {amount} USD</strong> for 1 call" in page
    run = freeze_rows(RERUN.key, calls, options={"model": "unheard-of"})
    assert run.forecast["cost"] == {"amount": "", "currency": "", "calls": 0, "unknown": 1}
    page = html(root.get(reverse("admin:persistence_rerun", args=(call.pk,))))
    assert "gpt-4o-mini <strong>2 USD</strong>, gpt-4o <strong>5 USD</strong>" in page


def test_without_the_content_permission_no_answer_is_shown(staff: Callable[..., Client]) -> None:
    tickets("one")
    run = rerun_of_all()
    drain()
    client = staff("view_servicecallrecord", "view_bulkrun")
    page = html(client.get(url(run)))
    assert ": answered" in page
    assert "<del>" not in page
    assert "Compare whole" not in page
    assert staff("view_bulkrun").get(url(run)).status_code == 403
    assert staff("view_servicecallrecord").get(url(run)).status_code == 404, "not one's own run"


def test_pairs_come_some_at_a_time(
    root: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    monkeypatch.setattr(pairs, "PAIRS_PER_PAGE", 2)
    tickets("one", "two", "three")
    run = rerun_of_all()
    page = html(root.get(url(run)))
    assert "Page 1 of 2" in page
    assert html(root.get(url(run), {"p": "2"})).count('id="orca-pair-1"') == 1
    ServiceCallRecord.objects.filter(parent__isnull=False).delete()
    with django_assert_max_num_queries(12):
        assert ": gone" in html(root.get(url(run)))
