"""Listing calls: filters, and pages that cost the same however far one turns them."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.timezone import is_naive

from orchestration.api_access import CALL_ID
from orchestration.api_errors import ApiError
from orchestration.api_schemas import CallFilter
from orchestration.api_views import CONTENT_COLUMNS
from orchestration.errors import IdentityError
from orchestration.identity import SERVICES, Identity
from orchestration.models import ServiceCallRecord
from orchestration.models.call_queries import ServiceCallQuerySet


def refuse_unknown_filters(request: HttpRequest) -> None:
    """ApiError 422: a mistyped filter must not list everything."""
    unknown = sorted(set(request.GET) - set(CallFilter.model_fields))
    if unknown:
        raise ApiError(
            422,
            "unknown_filter",
            "There is no such filter; see details.",
            {"unknown": [name[:64] for name in unknown[:10]], "filters": sorted(CallFilter.model_fields)},
        )


def page_of(rows: ServiceCallQuerySet, wanted: CallFilter) -> tuple[list[ServiceCallRecord], str | None]:
    """The calls of a page, newest first, and the cursor of the next one. One query, nothing counted."""
    rows = filtered(rows, wanted)
    if wanted.cursor is not None:
        rows = rows.older_than(*read_cursor(wanted.cursor))
    rows = rows.select_related("related_content_type").defer(*CONTENT_COLUMNS).order_by("-created_at", "-id")
    page = list(rows[: wanted.limit + 1])
    if len(page) <= wanted.limit:
        return page, None
    return page[: wanted.limit], write_cursor(page[wanted.limit - 1])


def filtered(rows: ServiceCallQuerySet, wanted: CallFilter) -> ServiceCallQuerySet:
    """The rows that match every filter that was given."""
    if wanted.status is not None:
        rows = rows.in_status(wanted.status)
    if wanted.persist_state is not None:
        rows = rows.in_persist_state(wanted.persist_state)
    if wanted.service is not None:
        rows = rows.filter(service_identity=_service_identity(wanted.service))
    if wanted.related_model is not None or wanted.related_id is not None:
        rows = _related_to(rows, wanted)
    if wanted.created_from is not None:
        rows = rows.filter(created_at__gte=wanted.created_from)
    if wanted.created_to is not None:
        rows = rows.filter(created_at__lt=wanted.created_to)
    for name in ("namespace", "correlation_id", "model", "error_code"):
        value = getattr(wanted, name)
        if value is not None:
            rows = rows.filter(**{name: value})
    return rows


def _service_identity(text: str) -> str:
    try:
        return str(Identity.get(text, SERVICES))
    except IdentityError as error:
        raise ApiError(422, error.code, str(error)) from error


def _related_to(rows: ServiceCallQuerySet, wanted: CallFilter) -> ServiceCallQuerySet:
    if wanted.related_model is None or wanted.related_id is None:
        raise ApiError(422, "incomplete_filter", "related_model and related_id go together.")
    app_label, _, model = wanted.related_model.lower().partition(".")
    try:
        kind = ContentType.objects.get_by_natural_key(app_label, model)
    except ContentType.DoesNotExist:
        return rows.none()
    return rows.filter(related_content_type=kind, related_object_id=wanted.related_id)


def write_cursor(call: ServiceCallRecord) -> str:
    """Opaque to callers: where the page ended."""
    return base64.urlsafe_b64encode(f"{call.created_at.isoformat()} {call.pk}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[datetime, str]:
    """ApiError 422 for what is no cursor."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        moment, _, call_id = decoded.partition(" ")
        created_at = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    if is_naive(created_at) or not CALL_ID.match(call_id):
        raise _bad_cursor()
    return created_at, call_id


def _bad_cursor() -> ApiError:
    return ApiError(422, "invalid_cursor", "This is no cursor of a page; start again without it.")
