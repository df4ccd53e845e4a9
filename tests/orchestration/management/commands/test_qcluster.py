"""What `manage.py qcluster` loads when it starts: the less, the sooner a killed node is back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STARTING = """
import json, sys
import django
django.setup()
from django.core.management import load_command_class
qcluster = load_command_class("orchestration", "qcluster")
qcluster.check(tags=qcluster.requires_system_checks)
supervisor = [name for name in sys.argv[1:] if name in sys.modules]
from persistence.exports.registry import permission_to_export
print(json.dumps([supervisor, permission_to_export("calls"), "persistence.admin" in sys.modules]))
"""
NOT_NEEDED = ("openai", "aiohttp", "import_export.resources", "openpyxl", "numpy", "config.urls", "orchestration.admin")


@pytest.mark.slow
def test_a_supervisor_loads_neither_pages_nor_the_sdk() -> None:
    """A worker can export all the same."""
    done = subprocess.run(
        [sys.executable, "-c", STARTING, *NOT_NEEDED], capture_output=True, text=True, timeout=60, check=True
    )
    loaded, permission, pages = json.loads(done.stdout)
    assert loaded == []
    assert permission == "orchestration.export_servicecallrecord"
    assert not pages
