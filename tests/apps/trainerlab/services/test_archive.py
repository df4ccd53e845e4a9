"""Scenarios travel with their pictures as a zip; a zip that no export made is refused, and nothing of it is stored."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from apps.accounts.models.roles import UserRole
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.models import ScenarioImage, ScenarioTemplate
from apps.trainerlab.services import archive
from apps.trainerlab.services.archive import INDEX, ArchiveRefused, ArchiveTooBig, import_archive, write_archive
from apps.trainerlab.services.import_export import NotYours, as_input
from apps.trainerlab.services.pictures import add_picture, move_picture, remove_picture
from apps.trainerlab.services.scenarios import start_scenario
from tests.apps.people import person
from tests.apps.training.visits import scenario_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def picture(colour: str = "red", kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (12, 9), colour).save(target, kind)
    return target.getvalue()


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("x", content, content_type=None)


def case(*colours: str, **fields: Any) -> ScenarioTemplate:
    template = scenario_of(person(UserRole.INSTRUCTOR), **{"findings": [], **fields})
    for colour in colours:
        add_picture(template, read_picture(upload(picture(colour, "JPEG"))), colour)
    return template


def shown(template: ScenarioTemplate) -> list[str]:
    return list(ScenarioImage.objects.filter(template=template).values_list("description", flat=True))


def exported() -> io.BytesIO:
    with write_archive(ScenarioTemplate.objects.all()) as file:
        return io.BytesIO(file.read())


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return target


def one(*pictures: dict[str, str], key: str = "headache") -> bytes:
    scenario = {"key": key, "title": "T", "sim_patient_full_name": "P", "diagnosis": "D", "pictures": list(pictures)}
    return json.dumps({"scenarios": [scenario]}).encode()


def test_what_is_exported_comes_back_whole() -> None:
    template = case("red", "green", "blue")
    move_picture(template, template.images.get(description="blue").uuid, -1)
    before = as_input(template)
    file = exported()
    owner = template.owner
    assert owner is not None
    assert import_archive(file, owner).unchanged == 1, "known pictures are not encoded again"
    ScenarioTemplate.objects.all().delete()
    assert import_archive(file, owner).created == 1
    restored = ScenarioTemplate.objects.get()
    assert as_input(restored) == before
    assert shown(restored) == ["red", "blue", "green"]
    assert all(default_storage.exists(image.file.name) for image in restored.images.all())
    assert import_archive(exported(), owner).unchanged == 1


def test_an_import_replaces_the_pictures_of_a_known_scenario() -> None:
    template = case("red", "green")
    owner = template.owner
    assert owner is not None
    file = exported()
    kept = template.images.get(description="green").pk
    remove_picture(template, template.images.get(description="red").uuid)
    add_picture(template, read_picture(upload(picture("blue"))), "blue")
    assert import_archive(file, owner).updated == 1
    assert shown(template) == ["red", "green"]
    assert template.images.get(description="green").pk == kept


def test_pictures_have_an_order_that_started_sessions_keep() -> None:
    template = case("red", "green", "blue")
    started = start_scenario(template, person())
    last = template.images.get(description="blue").uuid
    for _ in range(4):
        move_picture(template, last, -1)
    assert shown(template) == ["blue", "red", "green"]
    move_picture(template, last, 1)
    remove_picture(template, template.images.get(description="red").uuid)
    assert shown(template) == ["blue", "green"]
    assert [image.description for image in started.images.order_by("id")] == ["red", "green", "blue"]
    assert all(default_storage.exists(image.file.name) for image in started.images.all())
    later = start_scenario(template, person())
    assert [image.description for image in later.images.order_by("id")] == ["blue", "green"]
    with pytest.raises(ScenarioImage.DoesNotExist):
        move_picture(case(key="other"), last, 1)


ENTRY = {"file": "pictures/1.png", "description": "x"}


def link() -> io.BytesIO:
    target = packed({INDEX: one(ENTRY)})
    with zipfile.ZipFile(target, "a") as written:
        info = zipfile.ZipInfo("pictures/1.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        written.writestr(info, "/etc/passwd")
    return target


def encrypted() -> io.BytesIO:
    content = packed({INDEX: one()}).getvalue()
    header = content.index(b"PK\x01\x02")
    return io.BytesIO(content[: header + 8] + b"\x01" + content[header + 9 :])


def doubled() -> io.BytesIO:
    target = packed({INDEX: one()})
    with zipfile.ZipFile(target, "a") as written, pytest.warns(UserWarning, match="Duplicate name"):
        written.writestr(INDEX, one())
    return target


def damaged() -> io.BytesIO:
    content = bytearray(packed({INDEX: one(ENTRY), "pictures/1.png": picture()}, zipfile.ZIP_STORED).getvalue())
    place = content.index(b"IDAT")
    content[place + 6] ^= 0xFF
    return io.BytesIO(bytes(content))


HOSTILE: dict[str, tuple[Any, str]] = {
    "no zip": (lambda: io.BytesIO(b"PK but no zip"), "not a zip archive"),
    "cut": (lambda: io.BytesIO(packed({INDEX: one()}).getvalue()[:-30]), "not a zip archive"),
    "empty": (lambda: packed({}), "holds no scenarios.json"),
    "damaged": (damaged, "not a zip archive, or it is damaged"),
    "out of the folder": (lambda: packed({INDEX: one(), "../../etc/cron.d/x": b"x"}), "not safe"),
    "absolute": (lambda: packed({INDEX: one(), "/etc/passwd": b"x"}), "not safe"),
    "a drive": (lambda: packed({INDEX: one(), "C:/x": b"x"}), "not safe"),
    "a link": (link, "is a link"),
    "encrypted": (encrypted, "encrypted"),
    "doubled": (doubled, "two files with the name"),
    "odd packing": (lambda: packed({INDEX: one()}, zipfile.ZIP_BZIP2), "unusual way"),
    "a bomb": (lambda: packed({INDEX: one(), "x": b"\0" * 130_000_000}), "more than 120,000,000 bytes"),
    "an index of blanks": (lambda: packed({INDEX: b" " * 10_000_001}), "more than 10,000,000 bytes"),
    "a large picture": (lambda: packed({INDEX: one(ENTRY), "pictures/1.png": b"\0" * 5_000_001}), "5,000,000 bytes"),
    "many files": (lambda: packed({f"{n}": b"" for n in range(10_002)}), "at most 10,001"),
    "a script": (
        lambda: packed({INDEX: one(ENTRY), "pictures/1.png": b"<svg onload='x'/>"}),
        "pictures/1.png: This is",
    ),
    "a missing picture": (lambda: packed({INDEX: one(ENTRY)}), "holds no file pictures/1.png"),
    "many pictures": (lambda: packed({INDEX: one(*[ENTRY] * 21)}), "scenarios.0.pictures"),
    "no json": (lambda: packed({INDEX: b"{"}), "scenarios.json: Invalid JSON"),
    "unknown fields": (lambda: packed({INDEX: one({**ENTRY, "run": "me"})}), "scenarios.0.pictures.0.run"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(name: str) -> None:
    make, told = HOSTILE[name]
    with pytest.raises(ArchiveRefused, match=told):
        import_archive(make(), person(UserRole.INSTRUCTOR))
    assert not ScenarioTemplate.objects.exists()


def test_the_files_of_a_refused_import_are_deleted() -> None:
    sound, broken = {"file": "1.png", "description": "x"}, {"file": "2.png", "description": "y"}
    file = packed({INDEX: one(sound, broken), "1.png": picture(), "2.png": b"no picture"})
    saved: list[str] = []
    keep = ScenarioImage.save

    def watched(row: ScenarioImage, *args: Any, **kwargs: Any) -> None:
        saved.append(row.file.name)
        keep(row, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScenarioImage, "save", watched)
        with pytest.raises(ArchiveRefused, match=r"2\.png"):
            import_archive(file, person(UserRole.INSTRUCTOR))
    assert len(saved) == 1
    assert not default_storage.exists(saved[0])


def test_whoever_owns_a_scenario_keeps_it() -> None:
    template = case("red")
    file = exported()
    with pytest.raises(NotYours, match="headache"):
        import_archive(file, person(UserRole.INSTRUCTOR))
    assert shown(template) == ["red"]


def test_more_than_can_be_imported_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    case("red", "green")
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", archive.MAX_INDEX_BYTES + 700)
    with pytest.raises(ArchiveTooBig):
        write_archive(ScenarioTemplate.objects.all())
