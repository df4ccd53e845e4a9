"""Many calls in one request: all or none, or each for itself; one transaction and one wake-up."""

from __future__ import annotations

from typing import Annotated, Any

from django.db import transaction
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field, ValidationError, WithJsonSchema

from orchestration.api import INVALID, call_spec
from orchestration.api_access import (
    WRITE,
    ApiRequest,
    Principal,
    call_links,
    refusals,
    require_permission,
    require_scope,
)
from orchestration.api_errors import ApiError
from orchestration.api_schemas import CallIn, ErrorOut, LinksOut
from orchestration.app import ensure_autostarted
from orchestration.engine.submit import CallSpec, build_record, submit_many
from orchestration.types import JsonObject

router = Router(tags=["service calls"])  # to be added before that of orchestration.api, whose paths hold an id

MAX_ITEMS = 10_000
TOLD_ERRORS = 100
"""In the details of a refusal of all."""
Items = Annotated[
    list[Any],
    Field(min_length=1, max_length=MAX_ITEMS),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ITEMS,
            "items": {"type": "object", "description": "As the body of POST /service-calls."},
        }
    ),
]


class BatchIn(Schema):
    """What to submit; with `all_or_nothing` one wrong item refuses all."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"service": "support.default.Triage", "context": {"ticket": "It is locked."}}]}]
        },
    )

    items: Items
    all_or_nothing: bool = True


class ItemError(Schema):
    code: str
    message: str
    details: Any = None


class ItemOut(Schema):
    """What became of one item: a call, or why not."""

    index: int
    id: str | None = None
    status: str | None = None
    links: LinksOut | None = None
    error: ItemError | None = None


class BatchOut(Schema):
    accepted: int
    refused: int
    items: list[ItemOut]
    """In the order in which they were sent."""


@router.post(
    "/service-calls/batch",
    response={202: BatchOut, **INVALID, 400: ErrorOut, 413: ErrorOut},
    summary="Submit up to 10,000 calls in one transaction",
)
def submit_batch(request: ApiRequest, body: BatchIn) -> Status[JsonObject]:
    """Needs what submitting one needs. 422 with the error of each wrong item when all are refused for them."""
    principal = request.auth
    require_scope(principal, WRITE)
    require_permission(principal, "orchestration.add_servicecallrecord")
    ensure_autostarted()
    checked = [_checked(principal, item) for item in body.items]
    errors = [(index, found) for index, found in enumerate(checked) if isinstance(found, ApiError)]
    if errors and (body.all_or_nothing or len(errors) == len(checked)):
        raise _refusal(errors)
    specs = [found for found in checked if isinstance(found, CallSpec)]
    with refusals(), transaction.atomic():
        records = iter(submit_many(specs))
    items: list[JsonObject] = []
    for index, found in enumerate(checked):
        if isinstance(found, ApiError):
            items.append({"index": index, "error": _told(found)})
        else:
            record = next(records)
            links = call_links(request, record.pk)
            items.append({"index": index, "id": record.pk, "status": record.status, "links": links})
    return Status(202, {"accepted": len(specs), "refused": len(errors), "items": items})


def _checked(principal: Principal, item: Any) -> CallSpec | ApiError:
    """The item as a spec that was checked against its service's contract, or why it is refused."""
    try:
        wanted = CallIn.model_validate(item)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        details = [{"path": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in faults]
        return ApiError(422, "invalid_request", "The item is not valid; see details.", {"faults": details})
    try:
        with refusals():
            spec = call_spec(principal, wanted)
            build_record(spec)
    except ApiError as refused:
        return refused
    return spec


def _refusal(errors: list[tuple[int, ApiError]]) -> ApiError:
    told = [{"index": index, **_told(error)} for index, error in errors[:TOLD_ERRORS]]
    return ApiError(
        422,
        "invalid_items",
        f"{len(errors)} items are not valid, so nothing was submitted; see details.",
        {"count": len(errors), "items": told},
    )


def _told(error: ApiError) -> JsonObject:
    return {"code": error.code, "message": error.message, "details": error.details}
