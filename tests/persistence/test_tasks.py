"""Which task does what, and what a worker loads for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from orchestration.models import ServiceCallRecord
from persistence.bulk.runs import BULK_TASK, EXPORT_SECONDS, EXPORT_TASK, freeze_rows, start, wake_worker
from persistence.models import BulkRun, BulkState
from persistence.models.bulk import EXPORT
from persistence.operations import REPROCESS
from persistence.tasks import prune_content, run_bulk
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

LOADED = """
import importlib, json, sys
import django
django.setup()
told = []
for module in ("persistence.tasks", "persistence.export_tasks"):
    importlib.import_module(module)
    told.append([name for name in sys.argv[1:] if name in sys.modules])
print(json.dumps(told))
"""


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def export() -> BulkRun:
    failed()
    how = {"exporter": "calls", "format": "jsonl"}
    run = freeze_rows(EXPORT, ServiceCallRecord.objects.order_by("pk"), options=how)
    start(run)
    return run


@pytest.mark.slow
def test_only_exports_load_what_writes_spreadsheets() -> None:
    """A quarter of a second and 20 MB, for each process of a worker."""
    heavy = ("openpyxl", "numpy", "import_export.resources")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *heavy], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == [[], ["openpyxl", "numpy"]]


def test_an_export_has_a_task_of_its_own_and_more_time() -> None:
    run = export()
    wake_worker(run.pk, EXPORT)
    wake_worker(run.pk, REPROCESS.key)
    (exporting, persisting) = OrmQ.objects.order_by("pk")
    assert (exporting.func(), exporting.task["timeout"]) == (EXPORT_TASK, EXPORT_SECONDS + 30)
    assert (persisting.func(), persisting.task.get("timeout")) == (BULK_TASK, None)


def test_an_export_queued_by_older_code_reaches_its_own_task() -> None:
    run = export()
    assert run_bulk(run.pk) == 0
    (passed_on,) = OrmQ.objects.all()
    assert (passed_on.func(), passed_on.task["args"]) == (EXPORT_TASK, (run.pk,))
    assert import_string(EXPORT_TASK)(run.pk) == 1
    run.refresh_from_db()
    assert run.state == BulkState.DONE
    assert default_storage.exists(run.file)


def test_the_hourly_retention_removes_the_files_of_old_exports() -> None:
    run = export()
    name = default_storage.save("exports/old.jsonl", ContentFile(b"{}"))
    BulkRun.objects.filter(pk=run.pk).update(state=BulkState.DONE, finished_at="2020-01-01T00:00:00Z", file=name)
    prune_content()
    run.refresh_from_db()
    assert not default_storage.exists(name)
    assert run.file == ""
