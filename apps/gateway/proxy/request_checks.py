"""What is checked of a body before it goes to a provider: only what the gateway itself must know.

Everything else is for the provider to check.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apps.gateway.conf import LONGEST_MODEL
from apps.gateway.errors import GatewayError, bad_request
from apps.gateway.metering.token_estimate import is_reference
from apps.gateway.models import Endpoint
from apps.gateway.proxy.content_checks import check_content

STATEFUL = ("previous_response_id", "conversation", "container")
"""Fields of `/responses` and `/messages` that stand for what the provider keeps of former requests."""


def read_model(body: dict[str, Any]) -> str:
    """The model of a body; GatewayError 400 when it names no possible model."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("You must provide a model parameter.", param="model", code="missing_required_parameter")
    if len(model) > LONGEST_MODEL or not model.isprintable():
        raise bad_request(f"A model's name has at most {LONGEST_MODEL} printable characters.", param="model")
    return model


def check_body(body: dict[str, Any], endpoint: str) -> None:
    """GatewayError 400 for what no provider could answer, or the gateway cannot record."""
    CHECKS[Endpoint(endpoint)](body)
    for field, kind in (("stream", bool), ("stream_options", dict)):
        if endpoint != Endpoint.EMBEDDINGS and body.get(field) is not None and not isinstance(body[field], kind):
            raise bad_request(f"'{field}' has the wrong type.", param=field, code="invalid_type")
    check_content(body)


def _check_chat(body: dict[str, Any]) -> None:
    messages = _required(body, "messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise bad_request("'messages' must be a list of at least one message.", param="messages", code="invalid_type")


def _check_completion(body: dict[str, Any]) -> None:
    if not isinstance(_required(body, "prompt"), str | list):
        raise bad_request("'prompt' must be a text or a list.", param="prompt", code="invalid_type")


def _check_response(body: dict[str, Any]) -> None:
    if body.get("background"):
        message = "'background' is not supported: what runs without its client would not be recorded and charged."
        raise bad_request(message, param="background", code="unsupported_parameter")
    if body.get("input") is None and body.get("prompt") is not None:
        return
    given = _required(body, "input")
    if not isinstance(given, str) and not (isinstance(given, list) and all(isinstance(each, dict) for each in given)):
        raise bad_request("'input' must be a text or a list of items.", param="input", code="invalid_type")


def _check_embeddings(body: dict[str, Any]) -> None:
    _required(body, "input")


def _required(body: dict[str, Any], field: str) -> Any:
    if body.get(field) is None:
        raise bad_request(f"Missing required parameter: '{field}'.", param=field, code="missing_required_parameter")
    return body[field]


CHECKS = {
    Endpoint.CHAT: _check_chat,
    Endpoint.COMPLETIONS: _check_completion,
    Endpoint.RESPONSES: _check_response,
    Endpoint.MESSAGES: _check_chat,
    Endpoint.EMBEDDINGS: _check_embeddings,
}


def others_named(body: dict[str, Any]) -> Iterator[str]:
    """Models that a provider may ask in place of the one that is named, as some routers let a request say."""
    for field in ("models", "fallbacks"):
        given = body.get(field)
        for each in given if isinstance(given, list) else ():
            name = each.get("model") if isinstance(each, dict) else each
            if isinstance(name, str):
                yield name


def kept_elsewhere(body: dict[str, Any]) -> str:
    """The first field that stands for what the provider keeps of former requests; empty when there is none."""
    given = body.get("input")
    if isinstance(given, list) and any(isinstance(each, dict) and is_reference(each) for each in given):
        return "input"
    return next((field for field in STATEFUL if body.get(field) is not None), "")


def unknown_model(model: str) -> GatewayError:
    return GatewayError(
        404,
        "model_not_found",
        f"The model {model!r} does not exist, or this key has no access to it.",
        param="model",
    )
