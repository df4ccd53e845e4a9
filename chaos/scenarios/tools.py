"""Turns with two tools side by side, then an answer; no tool that has finished runs again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from chaos.app.orca.services.look_up import LOOKED, OF_A_TOOL, WROTE, LookUp
from chaos.plan import TURNS
from chaos.records import Records, is_poisoned
from chaos.scenarios.notes import NotesScenario
from orchestration.models.tool_runs import ToolRun, ToolRunStatus

EXPECTED = TURNS * 2


class ToolsScenario(NotesScenario):
    """Rows are ChaosRow: one of each answer, one of each `write_down`, and one of each attempt of a `look_up`."""

    services = (LookUp,)

    def lost(self, records: Records) -> list[str]:
        done = Counter(ToolRun.objects.filter(status=ToolRunStatus.DONE).values_list("call_id", flat=True))
        unfinished = [pk for pk, record in records.calls.items() if not is_poisoned(record) and done[pk] != EXPECTED]
        return super().lost(_answers(records)) + unfinished

    def duplicated(self, records: Records) -> list[str]:
        notes = Counter((row.call_id, row.note) for row in records.rows if row.provider_response_id == OF_A_TOOL)
        return super().duplicated(_answers(records)) + [
            f"{pk}: {note}" for (pk, note), times in notes.items() if times > 1
        ]

    def falsely_persisted(self, records: Records) -> list[str]:
        """A tool's row is true when its run is done, or when a later attempt looked the same up again."""
        runs = {(run.call_id, run.tool, run.arguments["step"]): run for run in ToolRun.objects.exclude(arguments=None)}
        false = []
        for row in records.rows:
            if row.provider_response_id != OF_A_TOOL:
                continue
            kind, step, *attempt = row.note.split()
            run = runs.get((row.call_id, {LOOKED: "look_up", WROTE: "write_down"}[kind], int(step)))
            if run is None or run.status != ToolRunStatus.DONE or (attempt and int(attempt[0]) > run.attempts):
                false.append(f"{row.call_id}: {row.note}")
        return super().falsely_persisted(_answers(records)) + false

    def out_of_order(self, records: Records) -> list[str]:
        return super().out_of_order(_answers(records))


def _answers(records: Records) -> Records:
    return replace(records, rows=[row for row in records.rows if row.provider_response_id != OF_A_TOOL])
