"""What one machine has written, another one shows: files are in the storage, not on its disk."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from apps.accounts.models import User
from persistence.models import BulkRun, BulkState
from tests.apps.chatlab.conversation import opened
from tests.apps.people import API, Caller, person, signed_in
from tests.bucket import bucket
from tests.clusters import environment
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long, pytest.mark.postgres]
OTHER_MACHINE = """
import hashlib, json, sys
import django
django.setup()
from django.test import Client
from persistence.export_tasks import run_export
rows = run_export(int(sys.argv[1]))
client = Client(headers={"host": "localhost"})
client.cookies.load(sys.argv[2])
served = client.get(sys.argv[3])
print(json.dumps([rows, served.status_code, hashlib.sha256(served.content).hexdigest()]))
"""


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    settings.MEDIA_ROOT = tmp_path / "one" / "media"
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "tests.bucket.BucketStorage"}}
    with bucket() as shared:
        yield shared


def on_another_machine(folder: Path, *arguments: str) -> list[Any]:
    """What OTHER_MACHINE tells: a process with folders of its own, on the same database and bucket."""
    variables = {**environment(folder / "run"), "DJANGO_SETTINGS_MODULE": "tests.shared_files"}
    variables |= {"ORCA_VAR_DIR": str(folder), "ORCA_NODE_NAME": "two"}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_MACHINE, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def uploaded(trainee: Caller) -> str:
    """The path of a picture."""
    target = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(target, "PNG")
    file = SimpleUploadedFile("x.png", target.getvalue(), "image/png")
    path = f"{API}/simulations/{opened(trainee).uuid}/images"
    answer = trainee.client.post(path, {"file": file}, headers=trainee.headers)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["url"])


def test_files_written_on_one_machine_are_read_on_another(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 1)  # the export is left to a worker
    trainee = signed_in(person())
    picture = uploaded(trainee)
    (stored,) = files.values()
    root = Client()
    root.force_login(User.objects.create_superuser("root@example.com", "pw"))
    failed(), failed()
    data = {"action": "export_selected", "_selected_action": "any", "select_across": "1", "confirmed": "yes"}
    root.post(reverse("admin:orchestration_servicecallrecord_changelist"), {**data, "format": "csv"})
    run = BulkRun.objects.get()
    assert run.state == BulkState.QUEUED

    other = tmp_path / "two"
    rows, status, digest = on_another_machine(other, str(run.pk), trainee.client.cookies.output(header=""), picture)
    assert (status, digest) == (200, hashlib.sha256(stored).hexdigest())
    assert rows == run.total

    download = root.get(reverse("admin:persistence_run_download", args=(run.pk,)))
    assert b"".join(download.streaming_content).count(b"\n") == rows + 1
    assert not (other / "media").exists()
    assert not (tmp_path / "one").exists()
