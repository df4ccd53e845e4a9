"""What a run submits, and which domain rows it must have created."""

from __future__ import annotations

from chaos.scenarios.approval import ApprovalScenario
from chaos.scenarios.base import Scenario
from chaos.scenarios.consensus import ConsensusScenario
from chaos.scenarios.notes import NotesScenario
from chaos.scenarios.tools import ToolsScenario

__all__ = ["Scenario", "make_scenario"]


def make_scenario(name: str) -> Scenario:
    """The scenario of a name of `chaos.options.CALLS_OF_ONE`; KeyError for another one."""
    kinds: dict[str, type[Scenario]] = {
        "notes": NotesScenario,
        "approval": ApprovalScenario,
        "consensus": ConsensusScenario,
        "tools": ToolsScenario,
    }
    return kinds[name]()
