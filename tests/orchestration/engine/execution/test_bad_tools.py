"""Tools that are asked for wrongly, or go wrong, side by side, in each of the wire formats."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.models.tool_runs import ToolRun
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.engineapp.orca.services.tools import Finds, ran

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
WRONG: dict[str, tuple[str, Any, str]] = {
    "tool_arguments": ("look_up", {"number": "seven"}, "number: Input should be a valid integer"),
    "unknown_tool": ("lok_up", {"number": 7}, "There is no tool lok_up; there are: look_up, note"),
    "tool_failed": ("behave", {"how": "break"}, "The tool failed (KeyError)."),
    "tool_result": ("behave", {"how": "object"}, "which has no form in JSON"),
    "tool_timeout": ("wait", {"seconds": 30}, "did not end within 0.2 s"),
    "": ("look_up", {"number": 7}, '{"number": 7, "shelf": 1}'),
}
"""By error code: what the model asks for, and what it is told."""


@pytest.mark.parametrize("surface", ["responses", "chat", "messages", "generateContent"])
@pytest.mark.parametrize("stream", [False, True])
def test_each_is_told_in_its_place(surface: str, stream: bool, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "model": "m", "surface": surface}}
    monkeypatch.setattr(Finds, "stream", stream)
    asked = [{"name": name, "arguments": arguments} for name, arguments, _ in WRONG.values()]
    with scripted(Fault(kind="tool_call", data=asked), Fault(kind="text", text="I see.")) as model:
        call = submit(CallSpec(service=Finds))
        drain()
    call = ServiceCallRecord.objects.get(pk=call.pk)
    assert (call.status, call.response().output) == ("succeeded", "I see.")
    runs = ToolRun.objects.order_by("pk").values_list("tool", "error_code")
    assert list(runs) == [(name, code) for code, (name, _, _) in WRONG.items()]
    told = model.seen[-1].tool_results
    assert [said in text for text, (_, _, said) in zip(told, WRONG.values(), strict=True)] == [True] * len(WRONG), told
    assert "secret" not in str(told)
    ran.clear()
