"""The version of a file of scenarios: exports have it, older files go without, and a newer one is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from apps.accounts.models.roles import UserRole
from apps.trainerlab.models import ScenarioTemplate
from apps.trainerlab.services.archive import INDEX, ArchiveRefused, import_archive
from apps.trainerlab.services.import_export import as_file, import_scenarios
from apps.trainerlab.services.scenario_file import FILE_FORMAT, ScenarioFile, first_fault
from tests.apps.people import person
from tests.apps.trainerlab.services.test_archive import exported, packed

pytestmark = [pytest.mark.django_db]
OLD = Path(__file__).parent.with_name("files_of_the_first_format")
"""As they were written before there were versions."""
NEWER: dict[str, Any] = {"file_format": FILE_FORMAT + 1, "scenarios": [{"key": "k", "tempo": "brisk"}], "course": {}}
SAYS = "A newer version wrote this file (file_format 2; 1 is the newest that is known here). Upgrade"


def test_a_file_from_before_there_were_versions_is_read() -> None:
    file = ScenarioFile.model_validate_json((OLD / "scenarios.json").read_text())
    assert file.file_format == 1
    assert import_scenarios(file, person(UserRole.INSTRUCTOR)).created == 1
    assert ScenarioTemplate.objects.get().diagnosis == "migraine"


def test_an_archive_from_before_there_were_versions_is_read() -> None:
    with (OLD / "scenarios.zip").open("rb") as file:
        assert import_archive(file, person(UserRole.INSTRUCTOR)).created == 1
    assert [image.description for image in ScenarioTemplate.objects.get().images.all()] == ["red"]


def test_what_is_written_says_its_format() -> None:
    assert as_file(ScenarioTemplate.objects.all()) == {"file_format": FILE_FORMAT, "scenarios": []}
    assert json.loads(archived_index(exported()))["file_format"] == FILE_FORMAT


def archived_index(file: Any) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return archive.read(INDEX)


def test_a_newer_file_is_refused_before_its_fields() -> None:
    with pytest.raises(ValidationError) as refused:
        ScenarioFile.model_validate(NEWER)
    assert first_fault(refused.value, of="The file").startswith(f"The file: {SAYS}")
    assert refused.value.error_count() == 1, "not what is unknown in it, too"


def test_a_newer_archive_is_refused_before_its_fields() -> None:
    with pytest.raises(ArchiveRefused) as refused:
        import_archive(packed({INDEX: json.dumps(NEWER).encode()}), person(UserRole.INSTRUCTOR))
    assert str(refused.value).startswith(f"scenarios.json: {SAYS}")
    assert not ScenarioTemplate.objects.exists()
