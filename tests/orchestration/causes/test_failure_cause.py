"""From a failed call to its cause, without content."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.causes.failure_cause import cause_of_failure, normalized
from orchestration.models import ServiceCallRecord
from orchestration.providers.errors import provider_error

SECRET = "Mrs Jones"


def call(error: str, code: str, **fields: Any) -> ServiceCallRecord:
    return ServiceCallRecord(error=error, error_code=code, **fields)


def test_the_providers_names_are_facts_and_its_text_is_not() -> None:
    body = {
        "code": "context_length_exceeded",
        "type": "invalid_request_error",
        "param": "messages",
        "message": f"{SECRET}: maximum context length is 128,000 tokens, you asked for 130021 tokens.",
    }
    error = provider_error(400, body)
    cause = cause_of_failure(call(str(error), error.code), body)
    assert cause.headline == (
        "The provider refused the request: HTTP 400, context_length_exceeded, invalid_request_error"
    )
    facts = dict(cause.facts())
    assert facts == {
        "Error code": "bad_request",
        "HTTP status": "400 Bad Request",
        "The provider calls it": "context_length_exceeded, invalid_request_error",
        "Parameter": "messages",
        "Tokens in its words": "128,000 and 130,021",
    }
    assert "too long for the model" in cause.remedy


@pytest.mark.parametrize(
    "body", [None, "text", [1], {"param": SECRET}, {"param": 7, "message": ["1 tokens"]}, {"message": None}]
)
def test_a_body_of_any_shape_tells_nothing_else(body: Any) -> None:
    cause = cause_of_failure(call("The provider failed. (HTTP 599)", "provider_unavailable"), body)
    assert dict(cause.facts()) == {"Error code": "provider_unavailable", "HTTP status": "599"}


def test_what_a_service_wrote_is_not_taken_for_a_providers() -> None:
    cause = cause_of_failure(call(f"{SECRET} (HTTP 400, {SECRET})", "out_of_paper"))
    assert (cause.status, cause.words) == (None, ())
    assert SECRET not in cause.headline


def test_fields_that_the_schema_has_are_named_and_no_others() -> None:
    schema = "schemas.engineapp.default.TriageOutputSchema"
    message = "urgency: Input should be less than 5; Jones: extra; reason.3.Jones: Field required; and 2 more"
    cause = cause_of_failure(call(message, "invalid_output", schema_identity=schema))
    assert cause.fields == ("urgency", "reason.3.<key>")
    assert "Jones" not in str(dict(cause.facts()))
    assert cause_of_failure(call(message, "invalid_output")).fields == ()


def test_messages_differ_by_more_than_numbers() -> None:
    assert normalized("No answer within 30 s.") == normalized("No answer within 31 s.")
    assert normalized("a (HTTP 500)") != normalized("b (HTTP 500)")
