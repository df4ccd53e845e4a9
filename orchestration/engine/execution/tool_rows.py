"""What a group commit writes about runs of tools. Calls without tools come past it at no cost."""

from __future__ import annotations

from collections.abc import Iterable

from orchestration.content.uses import add_uses_of_result
from orchestration.engine.execution.commands import AbandonRuns, BeginRuns, Command, EndRun
from orchestration.models.tool_runs import ToolRun, ToolRunStatus

FAILED_RUNS = "tool_errors"
"""The counter of runs of tools that failed."""


def write_runs(commands: Iterable[Command]) -> int:
    """In the transaction of the batch, whose leases are valid; returns how many runs failed."""
    new: list[ToolRun] = []
    failed = 0
    for command in commands:
        match command:
            case BeginRuns():
                new += command.new
                if command.again:
                    ToolRun.objects.begin_again(command.again)
            case EndRun():
                failed += ToolRun.objects.finish(command.run) and command.run.status == ToolRunStatus.FAILED
                add_uses_of_result(command.run)
            case AbandonRuns():
                ToolRun.objects.abandon([command.lease.call_id])
    for run in new:
        run.pk = None  # of a transaction that was rolled back
    if new:
        ToolRun.objects.bulk_create(new)
    return failed
