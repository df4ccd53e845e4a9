"""What `qcluster` refuses at its start, with the way out."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.clusters import environment

pytestmark = [pytest.mark.cluster, pytest.mark.django_db(transaction=True)]


def qcluster(folder, *arguments, **variables):
    """Exit status and errors of a `qcluster` that ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "qcluster", *arguments],
        env={**environment(folder / "run"), "ORCA_NODE_NAME": "refused", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


def test_a_database_that_was_not_migrated(tmp_path):
    status, errors = qcluster(tmp_path, "--skip-checks", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert status == 1
    assert "CommandError: The database cannot be used (OperationalError" in errors
    assert "manage.py migrate" in errors


def test_a_node_name_that_cannot_be_a_file_name(tmp_path):
    status, errors = qcluster(tmp_path, ORCA_NODE_NAME="a/b")
    assert status == 1
    assert "ORCA_NODE_NAME='a/b': a node name must be 1-80 characters" in errors


def test_a_cluster_name_that_is_not_configured(tmp_path):
    status, errors = qcluster(tmp_path, Q_CLUSTER_NAME="other")
    assert status == 1
    assert "Q_CLUSTER_NAME='other' is not a cluster of this project" in errors


def test_a_connection_pool(tmp_path):
    variables = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "DATABASE_POOL": "true"}
    status, errors = qcluster(tmp_path, **{**variables, "ORCA_TEST_POSTGRES": "0"})
    assert status == 1
    assert "orchestration.E112" in errors


def test_the_test_database_is_the_one_a_cluster_would_use():
    name = str(connection.settings_dict["NAME"])
    assert "test" in Path(name).name
    assert environment(Path("unused"))["DATABASE_URL"].endswith(name)
