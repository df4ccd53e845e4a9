"""The content that a call, its requests and its tools refer to, for pages and REST; and its bytes for a browser."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.utils.http import content_disposition_header

from orchestration.content.storing import read
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.values.media_types import ENDINGS

SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show by itself; anything else is downloaded."""
MOST_PIXELS = 40_000_000
"""Of an image that a page shows: a browser needs four bytes of memory for each."""
ALONE = "default-src 'none'; sandbox"
"""The Content-Security-Policy: it loads nothing, runs nothing, and belongs to no site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContent:
    """One content of a call."""

    file: ContentFile
    kind: str
    name: str
    """As it was called where it was first referred to; empty when it has none."""

    @property
    def file_name(self) -> str:
        """For a download."""
        return self.name or f"{self.file.pk[:12]}.{ENDINGS.get(self.file.media_type, 'bin')}"

    @property
    def is_shown(self) -> bool:
        """Whether a browser may show it by itself."""
        return self.file.media_type in SHOWN_INLINE

    @property
    def has_thumbnail(self) -> bool:
        """Whether a page shows it small, scaled by the browser."""
        pixels = self.file.pixels
        return self.is_shown and pixels is not None and pixels <= MOST_PIXELS


def marked(rows: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
    """Calls that know, as `has_content`, whether there is any: most have none, and need no query for that."""
    by_call, by_request, by_run = (
        Exists(ContentUse.objects.filter(**{path: OuterRef("pk")}))
        for path in ("call", "request__call", "tool_run__call")
    )
    return rows.annotate(has_content=Q(by_call) | Q(by_request) | Q(by_run))


def content_of_call(call: ServiceCallRecord) -> list[CallContent]:
    """Each content once, in the order in which it was referred to."""
    requests = call.request_audits.order_by().values("pk")
    runs = call.tool_runs.order_by().values("pk")
    uses = ContentUse.objects.filter(Q(call=call) | Q(request__in=requests) | Q(tool_run__in=runs))
    found: dict[str, CallContent] = {}
    for use in uses.select_related("content").order_by("pk"):
        found.setdefault(use.content_id, CallContent(file=use.content, kind=use.kind, name=use.name))
    return list(found.values())


def served(content: CallContent, *, inline: bool) -> HttpResponse:
    """The bytes as a response. Only images are shown in place, and only where `inline` asks for it: nothing else in
    here can be opened by a browser as part of the site. ContentUnavailable."""
    digest, media_type = content.file.pk, content.file.media_type
    attached = not (inline and content.is_shown)
    return HttpResponse(
        read([digest])[digest],
        content_type=media_type if media_type in ENDINGS else "application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(attached, content.file_name) or "attachment",
            "Content-Security-Policy": ALONE,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, no-store",
        },
    )
