"""Scopes of REST operations: declared on an operation, checked at sign-in, shown in its description."""

from __future__ import annotations

from ninja.operation import Operation

from apps.accounts.auth import READING
from orchestration.api.permissions import NEEDS, Needs


def needed_by(operation: Operation) -> Needs:
    """What an operation declares, see `orchestration.api.permissions.needs`."""
    declared: Needs = vars(operation.view_func).get(NEEDS) or Needs()
    return declared


def guard(operation: Operation) -> None:
    """Make every authentication of an operation check its needs, and its description name them."""
    if operation.auth_callbacks:
        needed = needed_by(operation)
        operation.auth_callbacks = [way.guarding(needed) for way in operation.auth_callbacks]  # type: ignore[attr-defined]
        operation.description = "\n\n".join(filter(None, [operation.description, _described(operation, needed)]))


def _described(operation: Operation, needed: Needs) -> str:
    sentences = []
    if needed.scopes:
        sentences.append(f"Scope: {' and '.join(f'`{scope}`' for scope in needed.scopes)}.")
    if needed.permission:
        sentences.append(f"Permission: `{needed.permission}`.")
    if not READING.issuperset(operation.methods) and needed.cost > 1:
        sentences.append(f"Counts as {needed.cost} requests.")
    return " ".join(sentences)
