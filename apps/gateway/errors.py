"""Every error of the gateway, in OpenAI's shape, and what a provider's failure becomes for the client."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from orchestration.errors import ProviderError
from orchestration.providers.relay import Reply, status_code_name

LONGEST_ERROR = 65_536
"""Bytes of a provider's error that are read."""
LONGEST_MESSAGE = 2_000
CLIENT_FAULTS = {400, 404, 409, 413, 415, 422}
"""Statuses of the provider that say something about the request, so that the client gets them as they are."""
NAME = re.compile(r"[\w.\-]{1,64}", re.ASCII)


class GatewayError(Exception):
    """What the client is told. The message never holds a key, and holds nothing that the client did not send."""

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
        """Sending it again does not help: the client is told not to."""
        self.recorded_as = recorded_as or code

    @property
    def may_fall_back(self) -> bool:
        """Whether another model may do better."""
        return self.status in {408, 409, 429} or self.status >= 500

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})

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
    return GatewayError(401, "invalid_api_key", "Incorrect API key provided: send a working one as a bearer token.")


def bad_request(message: str, *, param: str | None = None, code: str = "invalid_request_error") -> GatewayError:
    return GatewayError(400, code, message, param=param)


def server_error(status: int, code: str, message: str, *, recorded_as: str = "") -> GatewayError:
    return GatewayError(status, code, message, kind="server_error", recorded_as=recorded_as)


def internal_error() -> GatewayError:
    return server_error(500, "internal_error", "Something went wrong here. It is recorded under the request id.")


def stopping() -> GatewayError:
    error = server_error(503, "server_stopping", "The gateway is being restarted. Try again.")
    error.retry_after = 1
    return error


def client_left() -> GatewayError:
    """For the record: there is nobody to be told."""
    return server_error(499, "client_left", "The client went away.")


def malformed_answer() -> GatewayError:
    return server_error(502, "malformed_response", "The provider's answer cannot be read.")


def from_connection(error: ProviderError) -> GatewayError:
    """No answer, or one that broke off."""
    if error.code == "timeout":
        return server_error(504, "provider_timeout", "The provider did not answer in time.", recorded_as="timeout")
    if error.code == "malformed_response":
        return malformed_answer()
    return server_error(502, "provider_unreachable", "The connection to the provider failed.", recorded_as=error.code)


async def from_reply(reply: Reply, *, default_wait: float) -> GatewayError:
    """An HTTP error of the provider. What is wrong with *our* account there is no fault of the client: 502."""
    recorded_as = status_code_name(reply.status)
    try:
        told = _told(await reply.read(LONGEST_ERROR))
    except ProviderError:
        told = {}
    if reply.status == 429:
        return _too_many(told, reply.retry_after, default_wait)
    if reply.status in {401, 402, 403}:
        return server_error(502, "provider_refused", "The provider refuses the gateway.", recorded_as=recorded_as)
    if reply.status in CLIENT_FAULTS:
        return GatewayError(
            reply.status,
            _name(told.get("code")) or (recorded_as if reply.status == 404 else "invalid_request_error"),
            _message(told, "The provider refused the request."),
            kind=_name(told.get("type")) or "invalid_request_error",
            param=told["param"][:128] if isinstance(told.get("param"), str) else None,
            recorded_as=recorded_as,
        )
    if reply.status == 408:
        return server_error(504, "provider_timeout", "The provider did not answer in time.", recorded_as="timeout")
    status = reply.status if 500 <= reply.status <= 599 else 502
    error = server_error(status, "provider_error", "The provider failed.", recorded_as=recorded_as)
    error.retry_after = reply.retry_after
    return error


def _too_many(told: dict[str, Any], wait: float | None, default_wait: float) -> GatewayError:
    quota = "insufficient_quota" in (told.get("code"), told.get("type"))
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


def _told(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _message(told: dict[str, Any], default: str) -> str:
    message = told.get("message")
    return re.sub(r"\bsk-[\w*.-]+", "sk-***", message[:LONGEST_MESSAGE]) if isinstance(message, str) else default


def _name(value: object) -> str:
    return value if isinstance(value, str) and NAME.fullmatch(value) else ""
