"""Many calls in one request, all or none or each independently, in one transaction with one wake-up."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Router, Status
from pydantic import ConfigDict, Field, ValidationError, WithJsonSchema

from orchestration.api.calls import call_spec
from orchestration.api.errors import ApiError
from orchestration.api.permissions import (
    WRITE,
    ApiRequest,
    Principal,
    call_links,
    for_any_api,
    needs,
    refusals,
    require_permission,
    require_scope,
)
from orchestration.api.schemas import CallIn, JsonSchema, LinksOut, RequestSchema, error_responses
from orchestration.engine.queue.enqueue import build_record, submit_records
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject

router = Router(tags=["service calls"])  # to be added before that of orchestration.api.calls, whose paths hold an id
router.add_decorator(for_any_api)

MAX_ITEMS = 10_000
SHOWN_ERRORS = 100
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


class BatchIn(RequestSchema):
    """What to submit; with `all_or_nothing` one wrong item refuses all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"service": "support.default.Triage", "context": {"ticket": "It is locked."}}]}]
        },
    )

    items: Items
    all_or_nothing: bool = True


class ItemError(JsonSchema):
    code: str
    message: str
    details: Any = None


class ItemOut(JsonSchema):
    """What became of one item: a call, or why not."""

    index: int
    id: str | None = None
    status: str | None = None
    links: LinksOut | None = None
    error: ItemError | None = None


class BatchOut(JsonSchema):
    accepted: int
    refused: int
    items: list[ItemOut]
    """In the order in which they were sent."""


@router.post(
    "/service-calls/batch",
    response={202: BatchOut, **error_responses(400, 413, 422)},
    summary="Submit up to 10,000 calls in one transaction",
)
@needs(WRITE, permission="orchestration.add_servicecallrecord")
def submit_batch(request: ApiRequest, body: BatchIn) -> Status[JsonObject]:
    """Needs what submitting one needs. 422 with the error of each wrong item when all are refused for them."""
    principal = request.auth
    require_scope(principal, WRITE)
    require_permission(principal, "orchestration.add_servicecallrecord")
    principal.charge("calls", len(body.items))
    checked = [_checked(principal, item) for item in body.items]
    errors = [(index, found) for index, found in enumerate(checked) if isinstance(found, ApiError)]
    if errors and (body.all_or_nothing or len(errors) == len(checked)):
        raise _refusal(errors)
    built = [found for found in checked if isinstance(found, ServiceCallRecord)]
    with refusals():
        records = iter(submit_records(built))
    items: list[JsonObject] = []
    for index, found in enumerate(checked):
        if isinstance(found, ApiError):
            items.append({"index": index, "error": _error_out(found)})
        else:
            record = next(records)
            links = call_links(request, record.pk)
            items.append({"index": index, "id": record.pk, "status": record.status, "links": links})
    return Status(202, {"accepted": len(built), "refused": len(errors), "items": items})


def _checked(principal: Principal, item: Any) -> ServiceCallRecord | ApiError:
    """The unsaved call of an item that its service's contract allows, or why it is refused."""
    try:
        wanted = CallIn.model_validate(item)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        details = [{"path": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in faults]
        return ApiError(422, "invalid_request", "The item is not valid; see details.", {"faults": details})
    try:
        with refusals():
            return build_record(call_spec(principal, wanted))
    except ApiError as refused:
        return refused


def _refusal(errors: list[tuple[int, ApiError]]) -> ApiError:
    messages = [{"index": index, **_error_out(error)} for index, error in errors[:SHOWN_ERRORS]]
    return ApiError(
        422,
        "invalid_items",
        f"{len(errors)} items are not valid, so nothing was submitted; see details.",
        {"count": len(errors), "items": messages},
    )


def _error_out(error: ApiError) -> JsonObject:
    return {"code": error.code, "message": error.message, "details": error.details}
