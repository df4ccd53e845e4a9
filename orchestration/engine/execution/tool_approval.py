"""Tools that a person must approve of before they run: who is asked, and what a call does until somebody has decided.

The call goes back to the queue. Whoever decides brings it forward, and the worker that takes it continues at this turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from orchestration.components.tools import ToolContext
from orchestration.engine.queue.database_thread import when_database_answers
from orchestration.errors import CallError, WaitsForApproval
from orchestration.models import ServiceCallRecord
from orchestration.models.tool_runs import ToolRun

if TYPE_CHECKING:
    from orchestration.engine.execution.context import CallContext

REFUSED_CODE = "tool_rejected"
NOBODY = "Nobody can be asked for approval of this tool here."


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What people say of one run: it may run, it waits, or it is refused, with what the model is told."""

    waits: bool = False
    refused: str = ""


Answers = Mapping[str, ToolAnswer]
"""By the key of the run."""
Asker = Callable[[ServiceCallRecord, Sequence[ToolRun]], Answers]
"""Asks for approval of runs, once for each, and says what is known by now; with the database, in a transaction of its
own."""
Undecided = Callable[[Set[str]], Set[str]]
"""Those of these keys of runs that nobody has decided on yet. Whoever decides locks the row of the call first, and this
is called by a transaction that holds it: it sees every decision that did not find the call put off."""

_askers: list[tuple[Asker, Undecided]] = []


def register_asker(asker: Asker, undecided: Undecided) -> None:
    """Who asks people, and knows what they decided; the first one that is registered does."""
    if (asker, undecided) not in _askers:
        _askers.append((asker, undecided))


async def asked_about(call: CallContext, runs: Iterable[ToolRun]) -> Answers:
    """What people say of those of these runs that need approval, and could run.

    CallError `approval_needed` when a caller waits for the end of the call: nobody can be asked so fast.
    """
    open_runs = [run for run in runs if not run.is_finished and _needs_approval(call, run)]
    if not open_runs:
        return {}
    if call.runtime.immediate:
        raise CallError(
            f"The tool {open_runs[0].tool} needs approval, and the caller waits for the call: enqueue it instead.",
            code="approval_needed",
        )
    if not _askers:
        return {run.key: ToolAnswer(refused=NOBODY) for run in open_runs}
    return await when_database_answers(_askers[0][0], call.record, open_runs)


def _needs_approval(call: CallContext, run: ToolRun) -> bool:
    """One whose arguments are wrong fails without anybody's approval."""
    tool = call.service.wiring.tools.get(run.tool)
    if tool is None or not tool.requires_approval or run.arguments is None:
        return False
    try:
        tool.bound(run.arguments, ToolContext(call_id="", key="", attempt=1, input={}, context={}))
    except ValidationError:
        return False
    return True


def waits(told: Answers, run: ToolRun) -> bool:
    """Whether a run has to wait for a decision."""
    return run.key in told and told[run.key].waits


def wait_for_people(told: Answers) -> None:
    """WaitsForApproval when a run of this turn still waits, once the others have run."""
    waiting = [key for key, answer in told.items() if answer.waits]
    if waiting:
        many = "tool waits" if len(waiting) == 1 else "tools wait"
        raise WaitsForApproval(f"{len(waiting)} {many} for approval.", runs=waiting)


def decided_meanwhile(runs: Set[str]) -> Set[str]:
    """Those of these keys of runs that no longer wait for anybody: their calls are not to sleep."""
    return runs - _askers[0][1](runs) if runs and _askers else frozenset()
