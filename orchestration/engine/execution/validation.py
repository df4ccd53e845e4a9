"""From a provider's answer to a validated result, or to the messages that ask the model to repair it. Pure."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from pydantic_core import to_json as json_bytes
from pydantic_core.core_schema import ErrorType

from orchestration.components.round_trip import wire_form
from orchestration.components.schemas import OutputSchema
from orchestration.errors import (
    InvalidOutput,
    NotJson,
    OutputFiltered,
    OutputRefused,
    OutputTruncated,
    UnexpectedToolCall,
)
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models import AIRequestAudit, AIResponseAudit
from orchestration.providers.base import ProviderResponse
from orchestration.providers.response_bodies import read_body
from orchestration.types import JsonObject, Message, Response
from orchestration.values.sanitize import (
    is_storable_text,
    legible,
    original_texts,
    storable_json,
    storable_texts,
    to_json,
)

logger = logging.getLogger(__name__)

MOST_PROBLEMS = 20
LONGEST_PROBLEM = 500
QUOTING_NOTHING = frozenset(get_args(ErrorType)) - {
    *("value_error", "assertion_error", "union_tag_invalid", "get_attribute_error", "iteration_error", "mapping_type")
}
"""Types of errors whose messages hold no value, and no words of a validator's own."""
CONTENT_FILTER = "content_filter"
"""The finish reason of answers that OpenAI's filter withheld; audits of before say it in no other way."""
ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def validate(answer: ProviderResponse, schema: type[OutputSchema] | None) -> JsonObject | None:
    """The structured data of an answer, None without schema: the JSON as it came, which the schema accepts.

    It is not what the schema's validators made of it: whoever validates it again gets the same result. Raises
    OutputRefused, OutputFiltered, OutputTruncated, UnexpectedToolCall, or InvalidOutput, whose message lists places
    and rules, never values.
    """
    if answer.refusal is not None:
        raise OutputRefused
    if answer.filtered or answer.finish_reason == CONTENT_FILTER:
        raise OutputFiltered
    if answer.truncated:
        raise OutputTruncated(f"The model's answer was cut off ({answer.finish_reason or 'no reason given'}).")
    if not answer.text.strip():
        if answer.tool_calls:
            raise UnexpectedToolCall
        raise InvalidOutput("answer: it is empty")
    if not is_storable_text(answer.text):
        raise InvalidOutput("answer: it contains half of a surrogate pair, which is not valid Unicode")
    if schema is None:
        return None
    data = _json_of(answer.text)
    _accept(schema, _copy(data))
    return data


def _copy(data: JsonObject) -> JsonObject:
    """An independent copy of checked JSON, seven times as fast as `deepcopy`: every answer needs one."""
    copied: JsonObject = from_json(json_bytes(data))
    return copied


def _json_of(text: str) -> JsonObject:
    try:
        data = from_json(json_text(text))
    except ValueError as error:
        raise InvalidOutput(f"answer: Invalid JSON: {error}") from error
    return _object(data)


def _object(data: Any) -> JsonObject:
    if not isinstance(data, dict):
        raise InvalidOutput("answer: it must be a JSON object")
    try:
        read: JsonObject = to_json(data, "answer")
    except NotJson as error:
        raise InvalidOutput(str(error)) from error
    return read


def checked_data(data: Any, schema: type[OutputSchema]) -> JsonObject:
    """Data that a person wrote, or changed, in place of an answer, checked as one; InvalidOutput as `validate`."""
    read = _object(data)
    _accept(schema, _copy(read))
    return read


def json_text(text: str) -> str:
    """An answer's JSON with U+FFFD in place of escaped NUL characters, as in every other text of an answer."""
    return ESCAPED_NUL.sub(r"\1\\ufffd", text) if r"\u0000" in text else text


def _accept(schema: type[OutputSchema], data: JsonObject) -> OutputSchema:
    """The data as the schema reads it. Pass a copy: validators may change what they are given."""
    with isolated() as run:  # validators may raise anything, and a paid answer must not be lost by that
        read = schema.model_validate(data)
    if run.error is None:
        return read
    if isinstance(run.error, ValidationError):
        raise InvalidOutput(problems(run.error)) from run.error
    message = describe(run.error)
    logger.error("schema failed schema=%s error=%s", schema.identity, message)
    raise InvalidOutput(f"answer: a validator of {schema.identity} raised {message}") from run.error


def problems(error: ValidationError) -> str:
    """`path: rule` per problem, without the values that broke the rules."""
    found = error.errors(include_url=False, include_input=False)
    lines = [f"{'.'.join(map(str, item['loc'])) or 'answer'}: {_rule(item)}" for item in found[:MOST_PROBLEMS]]
    lines = [legible(line, LONGEST_PROBLEM) for line in lines]  # a place may be a key that the model made up
    if len(found) > MOST_PROBLEMS:
        lines.append(f"and {len(found) - MOST_PROBLEMS} more")
    return "; ".join(lines)


def _rule(item: Any) -> str:
    """The message, or only the type of the rule where a message may quote the value."""
    if item["type"] == "union_tag_invalid":
        return f"its tag is not one of {item['ctx']['expected_tags']}"
    return str(item["msg"] if item["type"] in QUOTING_NOTHING else item["type"])


def repair_messages(
    request: AIRequestAudit, answer: ProviderResponse, fault: InvalidOutput, *, with_schema: bool
) -> list[Message]:
    """The conversation continued: what the model said, and what is wrong with it."""
    wanted = ("match the required JSON schema", "JSON object") if with_schema else ("be used", "text")
    return [
        *request.messages,
        {"role": "assistant", "content": legible(answer.text)},
        {
            "role": "user",
            "content": f"Your answer does not {wanted[0]}. Answer again with the complete {wanted[1]},"
            f" corrected. What is wrong: {fault}",
        },
    ]


# --- what an overridden execute() returned ----------------------------------------------------


def structured_value(value: Any, schema: type[OutputSchema] | None) -> tuple[str | None, JsonObject | None]:
    """(output, structured data) of what an overridden `execute()` returned; InvalidOutput when it is neither."""
    if value is None or isinstance(value, str):
        if schema is not None:
            raise InvalidOutput(f"execute() returned no data for {schema.identity}.")
        return value, None
    data = _as_json(value, "data")
    if not isinstance(data, dict):
        raise InvalidOutput(f"execute() returned a {type(value).__name__}; return a Response, a dict or text.")
    if schema is None:
        return None, data
    read = _accept(schema, _copy(data))
    if isinstance(value, schema) and vars(read) != vars(value):
        changed = ", ".join(name for name, was in vars(value).items() if vars(read).get(name) != was)
        raise InvalidOutput(
            f"execute() returned an instance of {schema.identity} that its own JSON does not give again; these fields "
            f"differ: {changed}. Return the dict that the instance was made of."
        )
    return None, data


def result_of(response: Response) -> JsonObject:
    """The response as it is stored; InvalidOutput names what in it cannot be stored."""
    missing = [name for name in Response.model_fields if name not in vars(response)]
    if missing:
        raise InvalidOutput(f"execute() returned a Response without {', '.join(missing)}.")
    result: JsonObject = _as_json({name: vars(response)[name] for name in Response.model_fields}, "response")
    return result


def checked_result(response: Response, schema: type[OutputSchema] | None) -> JsonObject:
    """`result_of` a response that an author's code returned: checked that it, and its data, can be read back."""
    result = result_of(response)
    try:
        Response.model_validate(result)
    except ValidationError as error:
        raise InvalidOutput(f"execute() returned a Response that is not one: {problems(error)}") from error
    if schema is not None:
        if result["structured_data"] is None:
            raise InvalidOutput(f"execute() returned no data for {schema.identity}.")
        _accept(schema, _copy(result["structured_data"]))
    return result


def _as_json(value: Any, path: str) -> Any:
    with isolated() as run:  # methods of the values themselves run here, and may raise anything
        written = to_json(wire_form(value) if isinstance(value, BaseModel) else value, path)
    if run.error is None:
        return written
    why = f": {run.error}" if isinstance(run.error, NotJson) else f" ({describe(run.error)})."
    raise InvalidOutput(f"execute() returned what JSON cannot hold{why}") from run.error


# --- stored answers ------------------------------------------------------------------------


def storable(answer: ProviderResponse) -> ProviderResponse:
    """The answer with what columns of the audit hold: `raw` as JSON, short texts that fit."""
    if answer.is_storable:
        return answer
    return replace(
        answer,
        raw=storable_json(answer.raw),
        finish_reason=legible(answer.finish_reason, 64),
        provider_response_id=legible(answer.provider_response_id, 128),
        model=legible(answer.model, 128),
        service_tier=legible(answer.service_tier, 32),
    )


def outputs_of(answer: ProviderResponse) -> list[JsonObject]:
    """An answer's content as audited: texts that cannot be stored are escaped, and say so."""
    found: list[JsonObject] = [{"type": "text", "text": answer.text}] if answer.text else []
    if answer.refusal is not None:
        found.append({"type": "refusal", "refusal": answer.refusal})
    return [storable_texts(item) for item in found]


def structured_data_of(answer: ProviderResponse) -> Any:
    """The answer's JSON as it came, not validated; None when it is not JSON, or cannot be stored as it is."""
    body = read_body(json_text(answer.text).encode("utf-8", "surrogatepass"))
    return body.value if body.stored is body.value else None


def answer_at_rest(audit: AIResponseAudit) -> ProviderResponse:
    """The answer as it was when it was stored, for a worker that uses what another one paid for."""
    by_type = {item["type"]: original_texts(item) for item in audit.outputs}
    return ProviderResponse(
        raw=audit.raw or {},
        text=by_type.get("text", {}).get("text", ""),
        refusal=by_type.get("refusal", {}).get("refusal"),
        truncated=bool(audit.execution_metadata.get("truncated")),
        filtered=bool(audit.execution_metadata.get("filtered")),
        tool_calls=[original_texts(call) for call in audit.tool_calls],
        finish_reason=audit.finish_reason,
        provider_response_id=audit.provider_response_id,
        model=audit.model,
        service_tier=audit.service_tier,
        usage=audit.usage,
    )
