"""Who is asked whether a result waits for a person before its handler runs: `persistence/approval/` says so here."""

from __future__ import annotations

from collections.abc import Callable

from persistence.outbox.work import Work

Gate = Callable[[Work], bool]
"""Asked in the transaction that has locked the result. True: it waits, and its row and `work.held` say so."""

_gates: list[Gate] = []


def register_gate(gate: Gate) -> None:
    """Ask this one; the same once."""
    if gate not in _gates:
        _gates.append(gate)


def holds_back(work: Work) -> bool:
    """Whether somebody holds the result back."""
    return any(gate(work) for gate in _gates)
