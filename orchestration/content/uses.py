"""What refers to stored content: rows that are written, and deleted, with the JSON that refers to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestration.content.storing import held
from orchestration.errors import ContentRefused
from orchestration.models.content import ContentUse
from orchestration.models.tool_runs import ToolRun
from orchestration.values.content_parts import Reference, has_parts, references_in

Owned = tuple[str, Any, Sequence[Reference]]
"""Which column of ContentUse, the key of its row, and what that refers to."""


def add_uses(owned: Iterable[Owned], *, strict: bool) -> None:
    """Note what refers to which content, in the caller's transaction, with the rows that refer to it.

    `strict`: ContentRefused for content that is not stored; else it is left out, and sending finds it missing.
    """
    wanted = list(owned)
    digests = {each.digest for _, _, found in wanted for each in found}
    if not digests:
        return
    known = held(digests)
    if strict and digests - known:
        raise ContentRefused(
            f"The content {min(digests - known)[:12]}… is not stored, or was removed: store it again with image(),"
            " audio() or file() of orchestration.content."
        )
    rows = [
        ContentUse(content_id=each.digest, kind=each.kind, name=each.name[:255], **{f"{column}_id": key})
        for column, key, found in wanted
        for each in found
        if each.digest in known
    ]
    ContentUse.objects.bulk_create(rows, ignore_conflicts=True)


def add_uses_of_result(run: ToolRun) -> None:
    """Note the content in a tool's result, which is stored in this transaction."""
    if has_parts(run.result):
        add_uses([("tool_run", run.pk, references_in(run.result))], strict=False)
