"""Every error of the gateway, and what a provider's failure becomes for the client."""

from __future__ import annotations

import math
import re
from typing import Any

from apps.gateway.masking.log_filter import masked_for_log
from orchestration.errors import ProviderError
from orchestration.providers.errors import reported_status
from orchestration.providers.passthrough import Reply, status_code_name
from orchestration.providers.response_bodies import read_body
from orchestration.values.json_bodies import write_json

LONGEST_ERROR = 65_536
"""Bytes of a provider's error that are read."""
LONGEST_PAGE = 8_192
"""Bytes of it that are searched for text when it is not JSON."""
LONGEST_MESSAGE = 2_000
CLIENT_FAULTS = {400, 404, 409, 413, 415, 422}
"""Statuses of the provider that are about the request, so the client gets them unchanged."""
NAME = re.compile(r"[\w.\-]{1,64}", re.ASCII)
TEXTS = ("message", "msg", "detail", "error_description", "error", "title")
"""Where servers put the text of an error."""
DEEPEST = 5
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
SECRET = re.compile(r"\b(?:sk-|Bearer\s+)[\w*.-]+")


class GatewayError(Exception):
    """The error that a client gets. Its message never contains a key, or anything that the client did not send."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        retry_after: float | None = None,
        final: bool = False,
        recorded_as: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param = param
        self.retry_after = retry_after
        """Seconds."""
        self.final = final
        """Sending the request again does not help; `x-should-retry: false` says so."""
        self.recorded_as = recorded_as or code
        self.reported_message = ""
        """What the provider said, masked and cut; for the record, also where the client is not to see it."""

    @property
    def may_fall_back(self) -> bool:
        """Whether another model may do better."""
        return self.status in {408, 409, 429} or self.status >= 500

    def as_object(self) -> dict[str, Any]:
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def record(self) -> bytes | None:
        """What the record keeps as the response; None when no provider said anything."""
        if not self.reported_message:
            return None
        return write_json({"error": self.as_object() | {"message": self.reported_message}})

    def headers(self) -> list[tuple[bytes, bytes]]:
        found = []
        if self.retry_after is not None:
            found.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after))))
            found.append((b"retry-after-ms", b"%d" % max(1, math.ceil(self.retry_after * 1000))))
        if self.final:
            found.append((b"x-should-retry", b"false"))
        if self.status == 401:
            found.append((b"www-authenticate", b"Bearer"))
        return found


def invalid_key() -> GatewayError:
    """The same for a key that is unknown, wrong, revoked, expired, or not there."""
    return GatewayError(
        401, "invalid_api_key", "Incorrect API key provided: send a working one as a bearer token, or as x-api-key."
    )


def bad_request(message: str, *, param: str | None = None, code: str = "invalid_request_error") -> GatewayError:
    return GatewayError(400, code, message, param=param)


def server_error(status: int, code: str, message: str, *, recorded_as: str = "") -> GatewayError:
    return GatewayError(status, code, message, kind="server_error", recorded_as=recorded_as)


def internal_error() -> GatewayError:
    return server_error(500, "internal_error", "Something went wrong here. It is recorded under the request id.")


def not_configured() -> GatewayError:
    """For every client; the operator finds what is missing in the log and with `manage.py check`."""
    return server_error(503, "provider_not_configured", "The gateway has no provider: its operator must configure one.")


def not_asked(code: str) -> GatewayError:
    """For a route whose client cannot be used; only the record tells why."""
    if code == "paid_requests_forbidden":
        return GatewayError(503, code, "This gateway may not ask a paid provider.")
    error = not_configured()
    error.recorded_as = code
    return error


def all_paused() -> GatewayError:
    """For an alias whose routes an operator has paused, all of them."""
    error = server_error(503, "paused", "Every model that this name stands for is paused. Try again later.")
    error.final = True
    return error


def no_such_provider() -> GatewayError:
    """For a path of an API that the gateway's provider does not speak."""
    return GatewayError(
        404,
        "endpoint_not_configured",
        "The provider of this gateway does not speak the API of this path. Its operator can name another client of"
        " ORCA_CONFIG in GATEWAY['CLIENT'], or for /v1/messages in GATEWAY['MESSAGES_CLIENT'].",
    )


def stopping() -> GatewayError:
    error = server_error(503, "server_stopping", "The gateway is being restarted. Try again.")
    error.retry_after = 1
    return error


def client_left() -> GatewayError:
    """For the record only: the client cannot be answered."""
    return server_error(499, "client_left", "The client went away.")


def malformed_answer() -> GatewayError:
    return server_error(502, "malformed_response", "The provider's answer cannot be read.")


def from_connection(error: ProviderError) -> GatewayError:
    """For no answer, or an incomplete one."""
    if error.code == "timeout":
        return server_error(504, "provider_timeout", "The provider did not answer in time.", recorded_as="timeout")
    if error.code == "malformed_response":
        return malformed_answer()
    return server_error(502, "provider_unreachable", "The connection to the provider failed.", recorded_as=error.code)


async def from_reply(reply: Reply, *, default_wait: float) -> GatewayError:
    """An HTTP error of the provider. A problem with *our* account there is not the client's fault: 502."""
    try:
        reported = _read_error(await reply.read(LONGEST_ERROR))
    except ProviderError:
        reported = {}
    return _from_status(reply.status, reported, reply.retry_after, default_wait)


def from_report(error: Any, *, default_wait: float) -> GatewayError:
    """The error within an answer of status 200, or within a stream: as one that came with its own status."""
    reported = error if isinstance(error, dict) else {"message": _text(error)}
    status = reported_status(error)
    if status is not None:
        return _from_status(status, reported, None, default_wait)
    reported_message, code = _message_in(reported), _name(reported.get("code"))
    if not code and not reported_message:
        return malformed_answer()
    kind = _name(reported.get("type")) or "server_error"
    found = GatewayError(502, code or "provider_error", reported_message or "The provider failed.", kind=kind)
    found.reported_message = reported_message
    return found


def _from_status(status: int, reported: dict[str, Any], wait: float | None, default_wait: float) -> GatewayError:
    reported_message = _message_in(reported)
    if status == 429:
        error = _too_many(reported, wait, default_wait)
    elif status in CLIENT_FAULTS:
        error = _client_fault(status, reported, reported_message or "The provider refused the request.")
    else:
        error = _provider_fault(status, reported_message)
        error.retry_after = wait if error.code == "provider_error" else None
    error.reported_message = reported_message
    return error


def _client_fault(status: int, reported: dict[str, Any], message: str) -> GatewayError:
    recorded_as = status_code_name(status)
    return GatewayError(
        status,
        _name(reported.get("code")) or (recorded_as if status == 404 else "invalid_request_error"),
        message,
        kind=_name(reported.get("type")) or "invalid_request_error",
        param=reported["param"][:128] if isinstance(reported.get("param"), str) else None,
        recorded_as=recorded_as,
    )


def _provider_fault(status: int, reported_message: str) -> GatewayError:
    recorded_as = status_code_name(status)
    if status in {401, 402, 403}:  # what it says is about our account
        return server_error(502, "provider_refused", "The provider refuses the gateway.", recorded_as=recorded_as)
    if status == 408:
        return server_error(504, "provider_timeout", "The provider did not answer in time.", recorded_as="timeout")
    message = f"The provider failed: {reported_message}" if reported_message else "The provider failed."
    return server_error(status if 500 <= status <= 599 else 502, "provider_error", message, recorded_as=recorded_as)


def _too_many(reported: dict[str, Any], wait: float | None, default_wait: float) -> GatewayError:
    quota = "insufficient_quota" in (reported.get("code"), reported.get("type"))
    code = "insufficient_quota" if quota else "rate_limit_exceeded"
    return GatewayError(
        429,
        code,
        "The provider's quota is used up." if quota else "The provider limits the rate of requests.",
        kind="insufficient_quota" if quota else "requests",
        retry_after=default_wait if wait is None else wait,
        final=quota,
        recorded_as="insufficient_quota" if quota else "rate_limited",
    )


def _read_error(raw: bytes) -> dict[str, Any]:
    """The error of a body: OpenAI's object, or an object with the text that was found, be it in a web page."""
    body = read_body(raw)
    if not body.is_json:
        return {"message": MARKUP.sub(" ", raw[:LONGEST_PAGE].decode(errors="replace"))}
    value = body.value[0] if isinstance(body.value, list) and body.value else body.value
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {"message": _text(value)}


def _text(value: Any, depth: int = 0) -> str:
    """The text of an error in whatever shape; empty when there is none."""
    if isinstance(value, str):
        return value
    if depth > DEEPEST:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_text(each, depth + 1) for each in value)))
    if isinstance(value, dict):
        return next(filter(None, (_text(value.get(name), depth + 1) for name in TEXTS)), "")
    return ""


def _message_in(reported: dict[str, Any]) -> str:
    """What the provider said, in one line, without personal data and secrets, and cut."""
    said = " ".join(_text(reported).replace("\0", "").split())[: 2 * LONGEST_MESSAGE]
    return SECRET.sub("***", masked_for_log(said))[:LONGEST_MESSAGE]


def _name(value: object) -> str:
    return value if isinstance(value, str) and NAME.fullmatch(value) else ""
