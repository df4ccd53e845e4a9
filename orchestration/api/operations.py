"""The endpoints of the declared operations on one call (orchestration/operations.py)."""

from __future__ import annotations

from django.db import transaction
from ninja import Router

from orchestration.api.errors import ApiError
from orchestration.api.permissions import (
    OPERATE,
    ApiRequest,
    for_any_api,
    needs,
    operable_call,
    operated_call,
    refusals,
    shows_content,
)
from orchestration.api.schemas import CallOut, error_responses
from orchestration.api.serializers import call_detail
from orchestration.operations import Operation, operations
from orchestration.types import JsonObject


def operations_router() -> Router:
    """`POST /service-calls/{call_id}/<name>` for each operation that does not have an endpoint of its own."""
    router = Router(tags=["service calls"])
    router.add_decorator(for_any_api)
    for operation in operations():
        if not operation.own_endpoint:
            _add_endpoint(router, operation)
    return router


def _add_endpoint(router: Router, operation: Operation) -> None:
    def operate(request: ApiRequest, call_id: str) -> JsonObject:
        call = operable_call(request.auth, call_id, operation.permission)
        with refusals(), transaction.atomic():
            result = operation.run(call, {}, request.auth.user)
            if result.error:
                raise ApiError(409, f"{operation.name}_refused", result.error)
            call.refresh_from_db()
        return call_detail(request, call, content=shows_content(request, call))

    operate.__name__ = f"{operation.name}_service_call"  # names the address
    operate.__doc__ = f"The call is your own, or you have the permission `{operation.permission}`."
    declared = needs(OPERATE, counts="calls" if operation.costs else "writes", row=operated_call)(operate)
    router.post(
        f"/service-calls/{{call_id}}/{operation.name}",
        response={200: CallOut, **error_responses(404, 409)},
        summary=operation.summary,
    )(declared)
