"""One request of each actor and of each key, and what is answered; nothing of it stays."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http.response import HttpResponseBase

from apps.accounts.models.roles import Scope
from tests.matrix.endpoints import ACTION, Endpoint
from tests.matrix.world import ACTORS, World, picture

BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/invitations": {"email": "new@example.com", "role": "trainee"},
    "POST /api/v1/api-keys": {"name": "mine", "scopes": ["calls:read"]},
    "POST /api/v1/auth/login": {"email": "nobody@example.com", "password": "wrong"},
    "POST /api/v1/service-calls": {"service": "engineapp.default.Triage", "context": {"ticket": "It is locked."}},
    "POST /api/v1/service-calls/batch": {
        "items": [{"service": "engineapp.default.Triage", "context": {"ticket": "It is locked."}}]
    },
    "POST /api/v1/bulk-runs": {"operation": "retry", "filter": {"status": "failed"}},
    "POST /api/v1/simulations/{simulation_id}/commands": {"kind": "event", "command_key": "k1", "text": "It rains."},
    "POST /v1/runs/{run_id}/revisions": {"edit_notes": "Shorter."},
}
"""Where what the description requires is not enough."""
FILES = {
    "POST /api/v1/simulations/{simulation_id}/images": {},
    "POST /api/v1/scenarios/{scenario_id}/images": {},
    "POST /api/v1/content": {"kind": "image"},
}
"""Forms with a file, and their other fields."""
REFUSED = ("401", "403")


QUERIES = {"GET /admin/autocomplete/": {"app_label": "accounts", "model_name": "apikey", "field_name": "owner"}}
WRONG_QUERY = "&".join(f"{name}=%3F" for name in ("limit", "after", "kind", "format", "policy", "dry_run", "status"))
WRONG_HEADERS = {"Last-Event-ID": "x" * 100, "Idempotency-Key": "x" * 300, "X-Schema-Version": "x" * 100}
SIGN_IN = ("/accounts/sign-in", "/admin/login")


def answers(world: World, endpoint: Endpoint) -> str | None:
    """The row of an endpoint: a status for each actor, and, for REST, the scopes with which a key gets in.

    None: there is no such endpoint, for nobody may ask this way.
    """
    if endpoint.method == ACTION:
        world.address(endpoint.route)
        return " ".join(_offered(world, endpoint, actor) for actor in ACTORS)
    statuses = [_asked(world, endpoint, actor, {}) for actor in ACTORS]
    if statuses[-1] == "405":
        return None
    if not endpoint.route.startswith(("/api/", "/v1/")):
        return " ".join(statuses)
    let_in = [scope for scope in Scope if _with_key(world, endpoint, scope) not in REFUSED]
    keys = "any" if len(let_in) == len(Scope) else ",".join(let_in) or "none"
    return f"{' '.join(statuses)} {keys}"


def _with_key(world: World, endpoint: Endpoint, scope: Scope) -> str:
    return _asked(world, endpoint, "anonymous", {"Authorization": f"Bearer {world.secrets[scope]}"})


def _offered(world: World, endpoint: Endpoint, actor: str) -> str:
    """Whether a list offers an action; a status for whom there is no list."""
    route, _, name = endpoint.route.partition("?action=")
    if (route, actor) not in world.lists:  # one page has all the actions of its list
        status, answer = _answered(world, Endpoint("GET", route), actor, {})
        world.lists[route, actor] = (status, answer.content.decode() if status == "200" else "")
    status, page = world.lists[route, actor]
    if status != "200":
        return status
    return "offered" if f'<option value="{name}">' in page else "none"


def _asked(world: World, endpoint: Endpoint, actor: str, headers: dict[str, str]) -> str:
    return _answered(world, endpoint, actor, headers)[0]


def _answered(
    world: World, endpoint: Endpoint, actor: str, headers: dict[str, str], *, wrong: bool = False
) -> tuple[str, HttpResponseBase]:
    """The status and the answer; with `wrong` of a request that is wrong in all that can be wrong with it."""
    client = world.clients[actor]
    path = world.address(endpoint.route)
    sent = {"headers": headers} | ({} if wrong else _sent(world, endpoint))
    cookies = client.cookies.output()
    with transaction.atomic():
        response: HttpResponseBase
        if wrong:
            response = client.generic(endpoint.method, f"{path}?{WRONG_QUERY}", "[", "application/json", **sent)
        else:
            response = getattr(client, endpoint.method.lower())(path, **sent)
        status = "signin" if response.get("Location", "").startswith(SIGN_IN) else str(response.status_code)
        for close in response._resource_closers:  # close() would end the database's connection as well
            close()
        transaction.set_rollback(True)
    if client.cookies.output() != cookies:  # signed out, or in as somebody else: the session of before is back
        client.cookies.load(cookies)
        if actor in world.people:
            client.force_login(world.people[actor])
        else:
            client.cookies.clear()
    return status, response


def _sent(world: World, endpoint: Endpoint) -> dict[str, Any]:
    if str(endpoint) in FILES:
        return {"data": {"file": picture(), **FILES[str(endpoint)]}}
    if str(endpoint) in QUERIES:
        return {"data": QUERIES[str(endpoint)]}
    if endpoint.body is None:
        return {}
    return {"data": body_of(world, endpoint), "content_type": "application/json"}


def refused_before_reading(world: World, endpoint: Endpoint, expected: dict[str, str]) -> dict[str, str]:
    """Who is told what is wrong with a request that they may not make. `expected`: the answers to a right one."""
    told = {}
    for actor, answer in expected.items():
        if answer in {"401", "403", "404"}:
            found, _ = _answered(world, endpoint, actor, WRONG_HEADERS, wrong=True)
            if found != answer:
                told[actor] = f"{found} instead of {answer}"
    return told


def body_of(world: World, endpoint: Endpoint) -> dict[str, Any]:
    """JSON that the operation takes, about what there is."""
    named = {
        "scenario": str(world.values["scenario_id"]),
        "trainee": world.people["other"].email,
        "token": "x" * 43,
    }
    body = BODIES.get(str(endpoint), endpoint.body or {})
    return body | {name: value for name, value in named.items() if name in body and isinstance(body[name], str)}
