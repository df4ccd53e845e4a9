"""Images, audio and files on the page of a call: small, with name and size, behind the permission to read content."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from orchestration.access_log import has_just_looked, log_content_access
from orchestration.admin.base import DetailAdmin, may_read_content
from orchestration.admin.sections import Section, Tab
from orchestration.content.of_call import content_of_call, served
from orchestration.errors import ContentUnavailable
from orchestration.models import ServiceCallRecord
from orchestration.values.generic_refs import admin_path

VIEW = "orchestration_servicecallrecord_file"


def content_section(call: ServiceCallRecord, *, content: bool) -> Iterator[Section]:
    """What the model was shown; nothing where it was only text. The call is one of `marked`."""
    found = content_of_call(call) if content and vars(call).get("has_content") else []
    if found:
        yield Section(
            title="Images, audio and files",
            tab=Tab.ATTEMPTS,
            template="admin/orchestration/parts/content.html",
            context={"contents": [(each, admin_path(VIEW, call.pk, each.file.pk)) for each in found]},
        )


def content_file(admin: DetailAdmin, request: HttpRequest, object_id: str, digest: str) -> HttpResponse:
    """One content of a call: an image as it is with `?inline=1`, else a download. Each look is logged, but for those of
    the page itself, which is."""
    if not (admin.has_view_permission(request) and may_read_content(request)):
        raise PermissionDenied
    call = admin.get_object(request, unquote(object_id))
    wanted = [each for each in content_of_call(call) if each.file.pk == digest] if call is not None else []
    if not wanted:
        raise Http404
    inline = "inline" in request.GET and wanted[0].is_shown
    if not (inline and has_just_looked(request.user, call)):
        log_content_access(request.user, call, f": {wanted[0].kind} {digest[:12]}")
    try:
        return served(wanted[0], inline=inline)
    except ContentUnavailable as error:
        return HttpResponse(str(error), status=404, content_type="text/plain; charset=utf-8")
