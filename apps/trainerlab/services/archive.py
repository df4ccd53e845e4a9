"""Scenarios with their pictures as a zip: `scenarios.json`, and the pictures that it names."""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Annotated

from django.db.models import Sum
from pydantic import Field, ValidationError

from apps.simulation.errors import SimulationRefused
from apps.simulation.fields import Line
from apps.simulation.services.image_upload import MAX_BYTES, ImageRefused
from apps.trainerlab.services.import_export import as_input, import_scenarios
from apps.trainerlab.services.pictures import MAX_PICTURES, PackedPicture
from apps.trainerlab.services.scenario_file import (
    FILE_FORMAT,
    ImportOut,
    ScenarioFile,
    ScenarioIn,
    first_fault,
)
from orchestration.api.schemas import RequestSchema
from orchestration.values.file_formats import NAME

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apps.accounts.models import User
    from apps.trainerlab.models import ScenarioImage, ScenarioTemplate

INDEX = "scenarios.json"
MAX_INDEX_BYTES = 10_000_000
MAX_ARCHIVE_BYTES = 120_000_000
"""Of an archive, and of all that is packed in it: twenty pictures of 5 MB, and the texts."""
MAX_FILES = 10_001
IN_MEMORY = 2_000_000


class ArchiveRefused(SimulationRefused):
    """This archive cannot be imported."""

    code = "archive_refused"


class ArchiveTooBig(SimulationRefused):
    """These scenarios have more pictures than one archive may hold. Export them one by one."""

    code = "archive_too_big"


class PictureGone(SimulationRefused):
    """The file of a picture no longer exists. Remove the pictures that are not shown, and export again."""

    code = "picture_gone"


class PictureEntry(RequestSchema):
    """A picture of a scenario: its file in the archive, and what it shows."""

    file: Annotated[Line, Field(min_length=1, max_length=255)]
    description: Annotated[Line, Field(max_length=255)] = ""


class PackedScenario(ScenarioIn):
    pictures: Annotated[list[PictureEntry], Field(max_length=MAX_PICTURES)] = []


class ArchiveIndex(ScenarioFile):
    """What `scenarios.json` of an archive holds."""

    scenarios: Annotated[list[PackedScenario], Field(max_length=500)]  # type: ignore[assignment]  # narrower


def write_archive(templates: QuerySet[ScenarioTemplate]) -> IO[bytes]:
    """A zip of these scenarios, open at its beginning.

    Raises ArchiveTooBig (it could not be imported again), or PictureGone.
    """
    if (templates.aggregate(size=Sum("images__size"))["size"] or 0) > MAX_ARCHIVE_BYTES - MAX_INDEX_BYTES:
        raise ArchiveTooBig
    with ExitStack() as unless_written:
        target: IO[bytes] = unless_written.enter_context(SpooledTemporaryFile(IN_MEMORY))
        _pack(templates, target)
        unless_written.pop_all()
    target.seek(0)
    return target


def _pack(templates: QuerySet[ScenarioTemplate], target: IO[bytes]) -> None:
    scenarios = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for template in templates.prefetch_related("images").order_by("key"):
            entries = []
            for number, image in enumerate(template.images.all(), 1):
                name = f"pictures/{template.key}/{number}{PurePosixPath(str(image.file.name)).suffix}"
                archive.writestr(name, _content(image), zipfile.ZIP_STORED)  # is compressed already
                entries.append({"file": name, "description": image.description})
            scenarios.append({**as_input(template), "pictures": entries})
        archive.writestr(INDEX, json.dumps({NAME: FILE_FORMAT, "scenarios": scenarios}, ensure_ascii=False, indent=2))


def _content(image: ScenarioImage) -> bytes:
    try:
        with image.file.open("rb") as file:
            content: bytes = file.read()
    except FileNotFoundError as error:
        raise PictureGone from error
    return content


def import_archive(file: IO[bytes], user: User) -> ImportOut:
    """Import a zip as `write_archive` makes it: new keys are created, known ones changed, all or nothing.

    Nothing is unpacked to a disk, and no more is read than a picture or an index may have. Raises ArchiveRefused,
    which says what is wrong, or NotYours.
    """
    with _readable():
        archive = zipfile.ZipFile(file)
    with archive:
        _check(archive.infolist())
        index = _index(archive)
        try:
            return import_scenarios(index, user, _Pictures(archive, index))
        except ImageRefused as error:
            raise ArchiveRefused(str(error)) from error


@contextmanager
def _readable() -> Iterator[None]:
    """ArchiveRefused for whatever the reading of a damaged archive raises."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveRefused("This is not a zip archive, or it is damaged.") from error


def _check(files: list[zipfile.ZipInfo]) -> None:
    """ArchiveRefused for what no export contains: odd names, links, encryption, more than may be unpacked."""
    names = [file.filename for file in files]
    if len(names) > MAX_FILES:
        raise ArchiveRefused(f"The archive holds {len(names):,} files; at most {MAX_FILES:,} are possible.")
    if sum(file.file_size for file in files) > MAX_ARCHIVE_BYTES:
        raise ArchiveRefused(f"Unpacked, the archive has more than {MAX_ARCHIVE_BYTES:,} bytes.")
    for file in files:
        parts = PurePosixPath(file.filename).parts
        if file.filename.startswith("/") or ".." in parts or "\\" in file.orig_filename or ":" in file.filename:
            raise ArchiveRefused(f"The archive holds a file with the name {file.filename[:100]!r}, which is not safe.")
        if stat.S_ISLNK(file.external_attr >> 16):
            raise ArchiveRefused(f"{file.filename[:100]} is a link to another file. Pack the file itself.")
        if file.flag_bits & 0x1:
            raise ArchiveRefused("The archive is encrypted. Pack it without a password.")
        if file.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ArchiveRefused(f"{file.filename[:100]} is packed in an unusual way. Pack it as an ordinary zip.")
    doubled = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if doubled is not None:
        raise ArchiveRefused(f"The archive holds two files with the name {doubled[:100]}.")


def _index(archive: zipfile.ZipFile) -> ArchiveIndex:
    if INDEX not in archive.NameToInfo:
        raise ArchiveRefused(f"The archive holds no {INDEX}, so it is not an export of scenarios.")
    try:
        return ArchiveIndex.model_validate_json(_read(archive, INDEX, MAX_INDEX_BYTES))
    except ValidationError as error:
        raise ArchiveRefused(first_fault(error, of=INDEX)) from error


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A file of the archive, whatever its header says about its size; ArchiveRefused over the limit."""
    with _readable(), archive.open(name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ArchiveRefused(f"{name[:100]} has more than {limit:,} bytes.")
    return content


class _Pictures:
    """The pictures of an archive by the key of their scenario, each read when its turn comes."""

    def __init__(self, archive: zipfile.ZipFile, index: ArchiveIndex) -> None:
        self._archive = archive
        self._entries = {scenario.key: scenario.pictures for scenario in index.scenarios}
        self._left = MAX_ARCHIVE_BYTES

    def __getitem__(self, key: str) -> Iterator[PackedPicture]:
        for entry in self._entries[key]:
            if entry.file not in self._archive.NameToInfo:
                raise ArchiveRefused(f"The archive holds no file {entry.file[:100]}, which {key} names.")
            content = _read(self._archive, entry.file, MAX_BYTES)
            self._left -= len(content)
            if self._left < 0:
                raise ArchiveRefused(f"Unpacked, the archive has more than {MAX_ARCHIVE_BYTES:,} bytes.")
            yield PackedPicture(entry.file, entry.description, content)
