"""Picture upload: a picture is verified, and only its pixels are encoded again and stored."""

from __future__ import annotations

import hashlib
import io
import struct
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from django.core.files.base import ContentFile
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from PIL import Image, ImageOps, UnidentifiedImageError

from apps.simulation.models import Simulation, SimulationImage
from apps.simulation.models.images import StoredImage
from orchestration.clock import database_now

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.db.models.fields.files import FieldFile

    from apps.accounts.models import User

MAX_BYTES = 5_000_000
MAX_PIXELS = 24_000_000
MAX_WEBP_PIXELS = 8_000_000
"""Reading a WebP takes sixteen bytes a pixel, four times as many as the others."""
MAX_SCANS = 100
"""Of a progressive JPEG; each goes over all pixels, and a few bytes make one."""
WAIT_SECONDS = 10.0
"""How long a picture waits for others: a process decodes one at a time, so that its memory is bounded."""
_decoding = threading.BoundedSemaphore(1)
FORMATS = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
"""By Pillow's name: content type and extension. SVG is not allowed: it can contain scripts."""
MAX_PER_SIMULATION = 50


class ImageRefused(Exception):
    """This picture cannot be accepted; the message says why and what is accepted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that was verified and encoded again."""

    content: bytes
    content_type: str
    extension: str
    width: int
    height: int

    def fields(self) -> dict[str, Any]:
        """The fields of a `StoredImage`, without the file's name."""
        return {
            "content_type": self.content_type,
            "width": self.width,
            "height": self.height,
            "size": len(self.content),
            "checksum": hashlib.sha256(self.content).hexdigest(),
        }


def read_picture(upload: UploadedFile[bytes]) -> Picture:
    """Verify an upload and encode it again: only pixels are kept, no metadata and no appended data.

    What counts is what the bytes are; a declared type or a name that says otherwise is refused. Raises ImageRefused
    with code `empty`, `too_large`, `not_an_image`, `wrong_type`, `too_many_pixels`, `too_many_scans` or `busy`.
    """
    if not upload.size:
        raise ImageRefused("empty", "The file is empty.")
    if upload.size > MAX_BYTES:
        raise ImageRefused("too_large", f"A picture may have at most {MAX_BYTES:,} bytes.")
    raw = upload.read()
    if not _decoding.acquire(timeout=WAIT_SECONDS):
        raise ImageRefused("busy", "Other pictures are being read. Send this one again in a few seconds.")
    try:
        return _read(raw, upload.content_type)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error) as error:
        raise ImageRefused("not_an_image", "This is not a PNG, JPEG or WebP picture, or it is damaged.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(MAX_PIXELS) from error
    finally:
        _decoding.release()


def _read(raw: bytes, declared: str | None) -> Picture:
    if raw[8:12] == b"WEBP":  # its decoder takes memory for all pixels when it is opened, whatever it holds
        _check_pixels(_webp_size(raw), min(MAX_PIXELS, MAX_WEBP_PIXELS))
    with Image.open(io.BytesIO(raw), formats=list(FORMATS)) as image:
        name = "JPEG" if image.format == "MPO" else str(image.format)  # a phone's JPEG with a second picture inside
        content_type, extension = FORMATS[name]
        if declared and declared != content_type:
            raise ImageRefused("wrong_type", f"The file is {content_type}, but was sent as {declared[:64]}.")
        _check_pixels(image.size, MAX_PIXELS)
        if name == "JPEG" and raw.count(b"\xff\xda") > MAX_SCANS:
            raise ImageRefused("too_many_scans", f"A JPEG picture may be stored in at most {MAX_SCANS} scans.")
        clean = _pixels_of(image, "RGBA" if name != "JPEG" and image.has_transparency_data else "RGB")
    target = io.BytesIO()
    clean.save(target, format=name)
    return Picture(
        content=target.getvalue(),
        content_type=content_type,
        extension=extension,
        width=clean.width,
        height=clean.height,
    )


def _webp_size(raw: bytes) -> tuple[int, int]:
    """Width and height as the header of a WebP file has them; ValueError or struct.error when it has none."""
    kind = raw[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", raw, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", raw, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("not a WebP picture")


def _check_pixels(size: tuple[int, int], limit: int) -> None:
    if size[0] * size[1] > limit:
        raise _too_many_pixels(limit)


def _pixels_of(image: Image.Image, mode: str) -> Image.Image:
    """The first frame upright and without metadata; the memory of each step can be freed before the next."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    clean = image if image.mode == mode else image.convert(mode)
    clean.info = {}
    return clean


def _too_many_pixels(limit: int) -> ImageRefused:
    return ImageRefused("too_many_pixels", f"A picture like this may have at most {limit / 1_000_000:g} megapixels.")


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
    row.revealed_at = None if hidden else database_now()
    fill(row, picture)
    return row


def copy_image(source: StoredImage, simulation: Simulation) -> SimulationImage:
    """A hidden picture of a simulation, the same stored file as the scenario's."""
    return SimulationImage(
        simulation=simulation,
        file=source.file,
        content_type=source.content_type,
        width=source.width,
        height=source.height,
        size=source.size,
        checksum=source.checksum,
        description=source.description,
    )


def remove_file_with(instance: StoredImage) -> None:
    """Delete the file of a deleted row after the commit, unless another row has the same file."""
    transaction.on_commit(partial(_remove_unless_shown, instance.file), robust=True)


def _remove_unless_shown(file: FieldFile) -> None:
    kinds = StoredImage.__subclasses__()
    if file.name and not any(kind._default_manager.filter(file=file.name).exists() for kind in kinds):
        file.storage.delete(file.name)


def image_response(row: StoredImage) -> HttpResponse:
    """The picture with its verified type; a browser neither guesses another type nor runs anything in it.

    Http404 when the file is missing.
    """
    extension = next(ext for content_type, ext in FORMATS.values() if content_type == row.content_type)
    try:
        with row.file.open("rb") as file:
            response = HttpResponse(file.read(), content_type=row.content_type)
    except FileNotFoundError as error:
        raise Http404("The file of this picture no longer exists.") from error
    response["Content-Disposition"] = f'inline; filename="{row.uuid}.{extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=3600"
    return response


@runtime_checkable
class Bounded(Protocol):
    """An upload handler that refuses what is larger than its limit."""

    limit: int


def allow_upload(request: HttpRequest, limit: int) -> None:
    """Let this request upload as many bytes; before its body is read."""
    for handler in request.upload_handlers:
        if isinstance(handler, Bounded):
            handler.limit = limit
