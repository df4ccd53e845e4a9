"""Taking in pictures: what they are is looked into, and what is stored is written anew, pixels only."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils import timezone
from PIL import Image, ImageOps, UnidentifiedImageError

from apps.simulation.models import Simulation, SimulationImage, StoredImage

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.db.models.fields.files import FieldFile

    from apps.accounts.models import User

MAX_BYTES = 5_000_000
MAX_PIXELS = 24_000_000
FORMATS = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
"""By Pillow's name: content type and extension. SVG is none of them: it can hold script."""
MAX_PER_SIMULATION = 50


class ImageRefused(Exception):
    """This picture cannot be taken; the message says why and what can be."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Checked and written anew."""

    content: bytes
    content_type: str
    extension: str
    width: int
    height: int

    def fields(self) -> dict[str, Any]:
        """Of a `StoredImage`, but for the file's name."""
        return {
            "content_type": self.content_type,
            "width": self.width,
            "height": self.height,
            "size": len(self.content),
            "checksum": hashlib.sha256(self.content).hexdigest(),
        }


def read_picture(upload: UploadedFile[bytes]) -> Picture:
    """Look into an upload and write it anew: only pixels survive, no metadata and nothing appended.

    What counts is what the bytes are; a declared type or a name that says otherwise is refused. Raises ImageRefused
    with code `empty`, `too_large`, `not_an_image`, `wrong_type` or `too_many_pixels`.
    """
    if not upload.size:
        raise ImageRefused("empty", "The file is empty.")
    if upload.size > MAX_BYTES:
        raise ImageRefused("too_large", f"A picture may have at most {MAX_BYTES:,} bytes.")
    raw = upload.read()
    try:
        with Image.open(io.BytesIO(raw), formats=list(FORMATS)) as image:
            return _written_anew(image, upload.content_type)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ImageRefused("not_an_image", "This is no PNG, JPEG or WebP picture, or it is damaged.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error


def _written_anew(image: Image.Image, declared: str | None) -> Picture:
    name = "JPEG" if image.format == "MPO" else str(image.format)  # a phone's JPEG with a second picture inside
    content_type, extension = FORMATS[name]
    if declared and declared != content_type:
        raise ImageRefused("wrong_type", f"The file is {content_type}, but was sent as {declared[:64]}.")
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels()
    upright = ImageOps.exif_transpose(image)
    mode = "RGB" if content_type == "image/jpeg" else "RGBA"
    target = io.BytesIO()
    clean = Image.new(mode, upright.size)
    clean.paste(upright.convert(mode))
    clean.save(target, format=name)
    return Picture(
        content=target.getvalue(),
        content_type=content_type,
        extension=extension,
        width=clean.width,
        height=clean.height,
    )


def _too_many_pixels() -> ImageRefused:
    return ImageRefused("too_many_pixels", f"A picture may have at most {MAX_PIXELS // 1_000_000} megapixels.")


def fill(row: StoredImage, picture: Picture) -> StoredImage:
    """Give an unsaved row its picture and save it."""
    for name, value in picture.fields().items():
        setattr(row, name, value)
    row.file.save(f"{row.uuid}.{picture.extension}", ContentFile(picture.content), save=False)
    row.save(force_insert=True)
    return row


def add_image(
    simulation: Simulation, user: User, picture: Picture, description: str = "", *, hidden: bool = False
) -> SimulationImage:
    """A picture of a simulation; `hidden` until the patient shows it, or an instructor reveals it.

    Raises ImageRefused with code `too_many` when the simulation has MAX_PER_SIMULATION.
    """
    if simulation.images.count() >= MAX_PER_SIMULATION:
        raise ImageRefused("too_many", f"A simulation may have at most {MAX_PER_SIMULATION} pictures.")
    row = SimulationImage(simulation=simulation, uploaded_by=user, description=description)
    row.revealed_at = None if hidden else timezone.now()
    fill(row, picture)
    return row


def copy_image(source: StoredImage, simulation: Simulation) -> SimulationImage:
    """A hidden picture of a simulation, the same stored file as the scenario's."""
    names = ("file", "content_type", "width", "height", "size", "checksum", "description")
    return SimulationImage(simulation=simulation, **{name: getattr(source, name) for name in names})


def remove_file_with(instance: StoredImage) -> None:
    """Once the deletion of a row is committed, its file goes, too, unless another row shows the same file."""
    transaction.on_commit(partial(_remove_unless_shown, instance.file), robust=True)


def _remove_unless_shown(file: FieldFile) -> None:
    kinds = StoredImage.__subclasses__()
    if file.name and not any(kind._default_manager.filter(file=file.name).exists() for kind in kinds):
        file.storage.delete(file.name)


def image_response(row: StoredImage) -> HttpResponse:
    """The picture as what it was verified to be; a browser will neither guess another type nor run anything in it.

    Http404 when the file is gone.
    """
    extension = next(ext for content_type, ext in FORMATS.values() if content_type == row.content_type)
    try:
        with row.file.open("rb") as file:
            response = HttpResponse(file.read(), content_type=row.content_type)
    except FileNotFoundError as error:
        raise Http404("The file of this picture is gone.") from error
    response["Content-Disposition"] = f'inline; filename="{row.uuid}.{extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=3600"
    return response
