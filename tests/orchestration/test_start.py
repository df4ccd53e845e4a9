"""What a process of a worker node loads when it starts: a node that was killed is back the sooner."""

from __future__ import annotations

import json
import subprocess
import sys

STARTING = """
import json, sys
import django
django.setup()
from django.core.management import load_command_class
qcluster = load_command_class("orchestration", "qcluster")
qcluster.check(tags=qcluster.requires_system_checks)
supervisor = [name for name in sys.argv[1:] if name in sys.modules]
from persistence.exporting import permission_to_export
print(json.dumps([supervisor, permission_to_export("calls"), "persistence.admin" in sys.modules]))
"""
NOT_NEEDED = ("openai", "aiohttp", "import_export.resources", "openpyxl", "numpy", "config.urls", "orchestration.admin")


def test_a_supervisor_loads_neither_pages_nor_the_sdk_and_a_worker_can_export_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING, *NOT_NEEDED], capture_output=True, text=True, timeout=60, check=True
    )
    loaded, permission, pages = json.loads(done.stdout)
    assert loaded == []
    assert permission == "orchestration.export_servicecallrecord"
    assert not pages
