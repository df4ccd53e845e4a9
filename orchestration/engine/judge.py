"""From a provider's answer to a validated result, or to the words that ask the model to repair it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestration.errors import InvalidOutput, OutputRefused, OutputTruncated
from orchestration.models import AIResponseAudit
from orchestration.providers.base import ProviderResponse
from orchestration.schemas import OutputSchema
from orchestration.types import JsonObject, Message

MOST_PROBLEMS = 20
ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def judge(answer: ProviderResponse, schema: type[OutputSchema] | None) -> JsonObject | None:
    """The structured data of an answer, None without schema.

    Raises OutputRefused, OutputTruncated, or InvalidOutput whose message lists places and rules, never values.
    """
    if answer.refusal is not None:
        raise OutputRefused
    if answer.truncated:
        raise OutputTruncated(f"The model's answer was cut off ({answer.finish_reason or 'no reason given'}).")
    if schema is None:
        return None
    try:
        return schema.model_validate_json(answer.text).model_dump(mode="json")
    except ValidationError as error:
        raise InvalidOutput(problems(error)) from error


def problems(error: ValidationError) -> str:
    """`path: rule` per problem, without the values that broke the rules."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, item['loc'])) or 'answer'}: {_rule(item)}" for item in found[:MOST_PROBLEMS]]
    if len(found) > MOST_PROBLEMS:
        lines.append(f"and {len(found) - MOST_PROBLEMS} more")
    return "; ".join(lines)


def _rule(item: Any) -> str:
    # A validator's own message may quote the value; pydantic's built-in ones do not.
    return str(item["type"] if item["type"] in {"value_error", "assertion_error"} else item["msg"])


def repair_messages(messages: list[Message], answer: ProviderResponse, fault: InvalidOutput) -> list[Message]:
    """The conversation continued: what the model said, and what is wrong with it."""
    return [
        *messages,
        {"role": "assistant", "content": answer.text},
        {
            "role": "user",
            "content": "Your answer does not match the required JSON schema. Answer again with the complete JSON"
            f" object, corrected. What is wrong: {fault}",
        },
    ]


def structured_value(value: Any, schema: type[OutputSchema] | None) -> tuple[str | None, JsonObject | None]:
    """(output, structured data) of what an overridden `execute()` returned; InvalidOutput when it is neither."""
    if value is None or isinstance(value, str):
        if schema is not None:
            raise InvalidOutput(f"execute() returned no data for {schema.identity}.")
        return value, None
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if not isinstance(data, dict):
        raise InvalidOutput(f"execute() returned a {type(value).__name__}; return a Response, a dict or text.")
    if schema is None:
        return None, data
    try:
        return None, schema.model_validate(data).model_dump(mode="json")
    except ValidationError as error:
        raise InvalidOutput(problems(error)) from error


# --- answers at rest ------------------------------------------------------------------------


def storable(answer: ProviderResponse) -> ProviderResponse:
    """The answer with NUL characters replaced by U+FFFD: PostgreSQL can hold them neither as text nor as JSON."""
    if "\\u0000" not in json.dumps(answer.raw):
        return answer
    return replace(
        answer,
        raw=_without_nul(answer.raw),
        text=ESCAPED_NUL.sub(r"\1\\ufffd", _without_nul(answer.text)),
        refusal=_without_nul(answer.refusal),
        tool_calls=_without_nul(answer.tool_calls),
    )


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "\ufffd")
        case list():
            return [_without_nul(item) for item in value]
        case dict():
            return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def outputs_of(answer: ProviderResponse) -> list[JsonObject]:
    """An answer's content as audited."""
    found: list[JsonObject] = [{"type": "text", "text": answer.text}] if answer.text else []
    if answer.refusal is not None:
        found.append({"type": "refusal", "refusal": answer.refusal})
    return found


def answer_at_rest(audit: AIResponseAudit) -> ProviderResponse:
    """The answer as it was when it was stored, for a worker that takes up what another one paid for."""
    by_type = {item["type"]: item for item in audit.outputs}
    return ProviderResponse(
        raw=audit.raw or {},
        text=by_type.get("text", {}).get("text", ""),
        refusal=by_type.get("refusal", {}).get("refusal"),
        truncated=bool(audit.execution_metadata.get("truncated")),
        tool_calls=audit.tool_calls,
        finish_reason=audit.finish_reason,
        provider_response_id=audit.provider_response_id,
        model=audit.model,
        service_tier=audit.service_tier,
        usage=audit.usage,
    )
