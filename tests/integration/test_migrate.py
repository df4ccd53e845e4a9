"""`migrate`, of any app and any database first."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import django
django.setup()
from django.core.management import call_command
from django_q.models import Schedule
from apps.consensus.models import Persona
from orchestration.models.tables import is_migrated

for step in sys.argv[1:]:
    call_command("migrate", *step.split(), verbosity=0)
    print([model.objects.using(name).exists() if is_migrated(model, name) else None
           for name in ("default", "other") for model in (Schedule, Persona)])
"""


def migrated(folder, *steps):
    """After each step whether (default, other) have (schedules, personas); None where there is no table for them."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *steps],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.two_databases", "ORCA_VAR_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [line.strip("[]").split(", ") for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.long
def test_a_database_beside_the_default_may_come_first(tmp_path):
    assert migrated(tmp_path, "--database=other", "") == [
        ["None", "None", "True", "True"],
        ["True", "True", "True", "True"],
    ]


@pytest.mark.long
def test_apps_may_come_one_by_one_and_go_again(tmp_path):
    steps = ["accounts", "django_q 0010", "", "consensus zero", "consensus", "django_q zero"]
    assert [state[:2] for state in migrated(tmp_path, *steps)] == [
        ["None", "None"],
        ["None", "None"],
        ["True", "True"],
        ["True", "None"],
        ["True", "True"],
        ["None", "True"],
    ]
