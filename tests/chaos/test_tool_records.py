"""What is wrong with the rows and runs of tools is found."""

from __future__ import annotations

import pytest

from chaos.app.models import ChaosRow
from chaos.app.orca.services.look_up import OF_A_TOOL, LookUp
from chaos.plan import TURNS
from chaos.records import Findings, Records, compare
from chaos.scenarios.tools import ToolsScenario
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.providers.simulator.request_log import Entry
from orchestration.testing import drain, scripted_provider

pytestmark = pytest.mark.django_db
ALL_TOOLS = TURNS * 2


@pytest.fixture
def call() -> ServiceCallRecord:
    """Run to its end: two tools in each turn, and an answer that became a row."""
    with scripted_provider() as model:
        asked = [(name, {"step": "$results"}) for name in ("look_up", "write_down")]
        model.call_tools(*asked, times=None, results_below=ALL_TOOLS)
        model.answer({"note": "done"})
        pk = submit(CallSpec(service=LookUp, context={"number": 1})).pk
        drain()
    return ServiceCallRecord.objects.get(pk=pk)


def found(call: ServiceCallRecord) -> Findings:
    audits = list(AIRequestAudit.objects.select_related("response_audit"))
    ledger = [_seen(audit) for audit in audits]
    rows = list(ChaosRow.objects.all())
    records = Records(submitted={1: call.pk}, ledger=ledger, calls={call.pk: call}, audits=audits, rows=rows)
    return compare(records, ToolsScenario())


def _seen(audit: AIRequestAudit) -> Entry:
    return Entry(
        id=audit.response_audit.provider_response_id.rpartition("_")[2],
        correlation=f"{audit.call_id}:{audit.attempt}:{audit.repair}",
        status=200,
        outcome="answered",
        fault="ok",
        time=0,
        path="/v1/responses",
        model="m",
        digest="",
    )


def test_a_whole_conversation_is_clean(call: ServiceCallRecord) -> None:
    assert found(call).clean
    assert ChaosRow.objects.filter(provider_response_id=OF_A_TOOL).count() == ALL_TOOLS


def test_a_tool_that_wrote_twice_is_found(call: ServiceCallRecord) -> None:
    row = ChaosRow.objects.filter(note__startswith="wrote").first()
    assert row is not None
    row.pk = None
    row.save()
    assert found(call).duplicated == [f"{call.pk}: {row.note}"]


def test_a_tool_that_is_missing_is_found(call: ServiceCallRecord) -> None:
    ToolRun.objects.filter(tool="look_up").first().delete()
    findings = found(call)
    assert findings.lost == [call.pk]
    assert len(findings.falsely_persisted) == 1


def test_a_row_of_a_tool_that_failed_is_found(call: ServiceCallRecord) -> None:
    ToolRun.objects.filter(tool="write_down").update(status="failed", error="no")
    assert len(found(call).falsely_persisted) == TURNS
