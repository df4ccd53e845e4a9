"""What the model of a running call says while it says it, on the call's page: live with a script, else as far as it was
when the page was loaded."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from orchestration.access_log import has_just_looked, log_content_access
from orchestration.admin.base import DetailAdmin, may_read_content
from orchestration.admin.sections import Section
from orchestration.api.sse import streaming_response
from orchestration.api.streams import LAST, call_stream
from orchestration.components.registry import services
from orchestration.engine.streaming.listening import Listener
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.values.generic_refs import admin_path

VIEW = "orchestration_servicecallrecord_stream"


def stream_section(call: ServiceCallRecord, *, content: bool) -> Iterator[Section]:
    """Of a call that runs, and whose service streams."""
    service = services.try_get(call.service_identity)
    if not content or call.status != Status.RUNNING or service is None or not service.stream:
        return
    said: dict[int, str] = {}
    for event in Listener(call.pk).news(0)[0]:
        said[event.data["part"]] = said.get(event.data["part"], "") + event.data["text"]
    yield Section(
        title="What the model says",
        template="admin/orchestration/parts/stream.html",
        context={"url": admin_path(VIEW, call.pk), "text": "\n".join(text for _, text in sorted(said.items()))},
    )


def call_words(admin: DetailAdmin, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """The stream of a call, for its page. The look is logged, but for that of the page itself, which is."""
    if not (admin.has_view_permission(request) and may_read_content(request)):
        raise PermissionDenied
    call = admin.get_object(request, unquote(object_id))
    if call is None:
        raise Http404
    if not has_just_looked(request.user, call):
        log_content_access(request.user, call)
    last = request.headers.get("Last-Event-ID", "")
    after = min(int(last), LAST) if last.isascii() and last.isdigit() and len(last) <= len(str(LAST)) else 0
    return streaming_response(request, call_stream(call.pk, after))
