"""The door that django-q opens to exports. It alone loads what writes spreadsheets."""

from __future__ import annotations

from persistence.export_work import work
from persistence.tasks import prepare


def run_export(run_id: int) -> int:
    """Go on with an export for one task; returns the rows of the file, 0 when it is not done."""
    prepare()
    return work(run_id)
