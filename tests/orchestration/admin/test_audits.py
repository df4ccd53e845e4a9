"""Requests, answers, prices, nodes and counters in the admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orchestration.models import AIRequestAudit, AIResponseAudit, EngineCounter, ModelPrice, WorkerNode
from tests.orchestration.admin.rows import HOSTILE, succeeded
from tests.orchestration.factories import queued, request_audit

MODELS = ("airequestaudit", "airesponseaudit")


@pytest.mark.parametrize("model", MODELS)
def test_audit_lists_have_a_fixed_cost_and_read_no_content(root: Client, model: str) -> None:
    for _ in range(20):
        succeeded()
    with CaptureQueriesContext(connection) as captured:
        response = root.get(reverse(f"admin:orchestration_{model}_changelist"))
    assert len(response.context["cl"].result_list) > 20
    sql = [query["sql"] for query in captured]
    assert len(sql) <= 12, sql
    assert not [text for text in sql if '"messages"' in text or '"raw"' in text or "COUNT(" in text]


def test_pages_show_content_escaped_and_log_the_look(root: Client) -> None:
    succeeded(prompt=HOSTILE)
    audit = AIRequestAudit.objects.get(attempt=2, repair=0)
    html = root.get(reverse("admin:orchestration_airequestaudit_change", args=(audit.pk,))).content.decode()
    assert "&lt;script&gt;" in html
    assert HOSTILE not in html
    answer = audit.response_audit
    html = root.get(reverse("admin:orchestration_airesponseaudit_change", args=(answer.pk,))).content.decode()
    assert "no JSON" in html
    assert LogEntry.objects.filter(change_message="Looked at the content.").count() == 2


def test_content_is_hidden_without_its_permission(staff: Callable[..., Client]) -> None:
    succeeded(prompt="secret")
    client = staff("view_airequestaudit", "view_airesponseaudit")
    audit = AIRequestAudit.objects.get(attempt=2, repair=0)
    for model, key in (("airequestaudit", audit.pk), ("airesponseaudit", audit.response_audit.pk)):
        html = client.get(reverse(f"admin:orchestration_{model}_change", args=(key,))).content.decode()
        assert "Hidden" in html
        for secret in ("secret", "no JSON", "field required"):
            assert secret not in html
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("model", [*MODELS, "workernode", "enginecounter"])
def test_these_rows_are_written_by_the_engine_alone(root: Client, model: str) -> None:
    assert root.get(reverse(f"admin:orchestration_{model}_add")).status_code == 403


def test_prices_are_edited(root: Client) -> None:
    data = {
        "provider": "openai",
        "model": "m",
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00:00",
        "input_per_million": "1",
        "cached_input_per_million": "0.5",
        "output_per_million": "2",
        "currency": "USD",
    }
    response = root.post(reverse("admin:orchestration_modelprice_add"), data)
    assert response.status_code == 302, response.context["errors"]
    assert ModelPrice.objects.get().output_per_million == 2


def test_a_price_that_costs_were_made_with_is_protected(root: Client) -> None:
    price = ModelPrice.objects.create(
        provider="p", model="m", input_per_million=1, cached_input_per_million=1, output_per_million=1
    )
    audit = request_audit(queued())
    audit.save()
    AIResponseAudit.objects.create(ai_request=audit, price=price)
    root.post(reverse("admin:orchestration_modelprice_delete", args=(price.pk,)), {"post": "yes"})
    assert ModelPrice.objects.filter(pk=price.pk).exists()


def test_nodes_show_whether_they_live(root: Client) -> None:
    now = timezone.now()
    WorkerNode.objects.create(name="a", beat_at=now)
    WorkerNode.objects.create(name="b", beat_at=now, stopping=True)
    WorkerNode.objects.create(name="c", beat_at=now - timedelta(minutes=5))
    html = root.get(reverse("admin:orchestration_workernode_changelist")).content.decode()
    for state in ("healthy", "stopping", "silent"):
        assert state in html


def test_counters_are_listed(root: Client) -> None:
    EngineCounter.add("stale_writes_rejected", 3)
    assert "stale_writes_rejected" in root.get(reverse("admin:orchestration_enginecounter_changelist")).content.decode()
