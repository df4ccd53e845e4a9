"""The pictures of a scenario: added, ordered, removed. Started simulations keep the pictures they have."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, NamedTuple
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.db.models import Max

from apps.simulation.services.image_upload import ImageRefused, Picture, fill, read_picture
from apps.trainerlab.models import ScenarioImage, ScenarioTemplate

MAX_PICTURES = 20


class PackedPicture(NamedTuple):
    """A picture of an archive."""

    file: str
    description: str
    content: bytes


def add_picture(template: ScenarioTemplate, picture: Picture, description: str) -> ScenarioImage:
    """A picture that the patient of this scenario can show, after the others. ImageRefused with `too_many` of them."""
    if template.images.count() >= MAX_PICTURES:
        raise ImageRefused("too_many", f"A scenario may have at most {MAX_PICTURES} pictures.")
    last = template.images.aggregate(last=Max("position"))["last"] or 0
    row = ScenarioImage(template=template, description=description, position=last + 1)
    fill(row, picture)
    return row


def move_picture(template: ScenarioTemplate, picture: UUID, by: Literal[-1, 1]) -> None:
    """Have a picture shown one place earlier (-1) or later (1); at its end of the list nothing changes.

    Raises ScenarioImage.DoesNotExist.
    """
    with transaction.atomic():
        ScenarioTemplate.objects.select_for_update(no_key=True).get(pk=template.pk)
        rows = list(template.images.all())
        place = next((index for index, row in enumerate(rows) if row.uuid == picture), None)
        if place is None:
            raise ScenarioImage.DoesNotExist
        rows.insert(max(place + by, 0), rows.pop(place))
        for position, row in enumerate(rows, 1):
            _place(row, position, row.description)


def remove_picture(template: ScenarioTemplate, picture: UUID) -> None:
    """Delete a picture, and its file unless a simulation shows it. Raises ScenarioImage.DoesNotExist."""
    with transaction.atomic():
        template.images.select_for_update(no_key=True).get(uuid=picture).delete()


def replace_pictures(template: ScenarioTemplate, packed: Iterable[PackedPicture], made: list[ScenarioImage]) -> bool:
    """Give a scenario exactly these pictures, in this order; whether that changed anything.

    One whose file it has already is kept as it is: encoding a JPEG again would make it worse each time. New rows are
    added to `made`, for who has to delete their files when the transaction fails. Raises ImageRefused.
    """
    left = list(template.images.select_for_update(no_key=True))
    changed = False
    for position, picture in enumerate(packed, 1):
        digest = sha256(picture.content).hexdigest()
        known = next((row for row in left if row.checksum == digest), None)
        if known is not None:
            left.remove(known)
            changed |= _place(known, position, picture.description)
            continue
        row = ScenarioImage(template=template, description=picture.description, position=position)
        fill(row, _verified(picture))
        made.append(row)
        changed = True
    for row in left:
        row.delete()
    return changed or bool(left)


def _verified(packed: PackedPicture) -> Picture:
    upload = SimpleUploadedFile("picture", packed.content, content_type=None)  # type: ignore[arg-type]  # not declared
    try:
        return read_picture(upload)
    except ImageRefused as error:
        raise ImageRefused(error.code, f"{packed.file[:100]}: {error}") from error


def _place(row: ScenarioImage, position: int, description: str) -> bool:
    if (row.position, row.description) == (position, description):
        return False
    row.position, row.description = position, description
    row.save(update_fields=["position", "description"])
    return True
