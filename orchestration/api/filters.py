"""Which calls a list over REST shows."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from ninja import Schema

from orchestration.api.errors import ApiError
from orchestration.api.schemas import CallSelection
from orchestration.components.identity import SERVICES, Identity
from orchestration.errors import IdentityError
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.values.generic_refs import stored_text

SAME_NAME = ("namespace", "correlation_id", "model", "error_code")


def refuse_unknown_filters(request: HttpRequest, filters: type[Schema]) -> None:
    """ApiError 422: a mistyped filter must not list everything."""
    unknown = sorted(set(request.GET) - set(filters.model_fields))
    if unknown:
        raise ApiError(
            422,
            "unknown_filter",
            "There is no such filter; see details.",
            {"unknown": [name[:64] for name in unknown[:10]], "filters": sorted(filters.model_fields)},
        )


def filtered(rows: ServiceCallQuerySet, wanted: CallSelection) -> ServiceCallQuerySet:
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
    return rows.filter(**wanted.model_dump(include=set(SAME_NAME), exclude_none=True))


def _service_identity(text: str) -> str:
    try:
        return str(Identity.get(text, SERVICES))
    except IdentityError as error:
        raise ApiError(422, error.code, str(error)) from error


def _related_to(rows: ServiceCallQuerySet, wanted: CallSelection) -> ServiceCallQuerySet:
    if wanted.related_model is None or wanted.related_id is None:
        raise ApiError(422, "incomplete_filter", "related_model and related_id go together.")
    app_label, _, model = wanted.related_model.lower().partition(".")
    try:
        kind = ContentType.objects.get_by_natural_key(app_label, model)
    except ContentType.DoesNotExist:
        return rows.none()
    related_id = stored_text(kind.model_class(), wanted.related_id)
    return rows.filter(related_content_type=kind, related_object_id=related_id)
