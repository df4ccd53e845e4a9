"""Everything that answers: operations of the REST APIs, pages of the console, other pages; found, not listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import User
from tests.descriptions import documents

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
LOOKED_AT = re.compile(r"<path:object_id>/(?:history/|)\Z")
"""Pages of Django's that nothing is sent to."""
ACTION = "ACTION"
"""The method of what a list offers to do with its rows; the answer says to whom."""
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing to ask for; `route` holds its parameters as `{name}`."""

    method: str
    route: str
    body: dict[str, Any] | None = None
    """JSON that the operation takes, for REST."""

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def names() -> list[str]:
    """The names of the tables, known at once: a description of an API takes seconds, in each process of a test run."""
    admin.autodiscover()
    labels = {model._meta.app_label for model in admin.site._registry}
    return ["rest", "pages", "admin_site", *(f"admin_{label}" for label in sorted(labels))]


def tables() -> dict[str, list[Endpoint]]:
    """The endpoints by the file that says who gets in."""
    found: dict[str, list[Endpoint]] = {"rest": list(_operations()), "pages": []}
    admin.autodiscover()
    for route in dict.fromkeys(_routes(get_resolver())):
        place = route.split("/")
        if place[0] in {"api", "v1"}:
            continue  # among the operations, but for their descriptions
        if place[0] != "admin":
            found["pages"] += [Endpoint(method, _named(route)) for method in ("GET", "POST")]
            continue
        label = place[1] if place[1] in {model._meta.app_label for model in admin.site._registry} else "site"
        asked = ("GET",) if LOOKED_AT.match("/".join(place[3:])) and label != "site" else ("GET", "POST")
        found.setdefault(f"admin_{label}", []).extend(Endpoint(method, _named(route)) for method in asked)
    for model, page in admin.site._registry.items():
        label = model._meta.app_label
        route = f"/admin/{label}/{model._meta.model_name}/?action="
        found[f"admin_{label}"] += [Endpoint(ACTION, f"{route}{name}") for name in _actions(page)]
    return found


def _actions(page: Any) -> list[str]:
    """What the list of a page offers to whom everything is offered."""
    request = RequestFactory().get("/")
    request.user = User(is_active=True, is_staff=True, is_superuser=True)
    return sorted(page.get_actions(request))


def _named(route: str) -> str:
    return "/" + PARAMETER.sub(r"{\1}", route)


def _routes(resolver: Any, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, route)
        elif isinstance(pattern, URLPattern) and "(?P" not in route:  # Django's catch-all and its lists of an app
            yield route


def _operations() -> Iterator[Endpoint]:
    for document in documents():
        schemas = document.get("components", {}).get("schemas", {})
        for route, methods in document["paths"].items():
            for method in METHODS:
                if method in methods:
                    content = methods[method].get("requestBody", {}).get("content", {})
                    schema = content.get("application/json", {}).get("schema")
                    body = None if schema is None else a_value(schema, schemas)
                    yield Endpoint(method.upper(), re.sub(r"\{\w+:(\w+)\}", r"{\1}", route), body)


def a_value(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A small value that a schema describes: examples and defaults where it has them, of objects what they require."""
    if "$ref" in schema:
        return a_value(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("anyOf", "allOf", "oneOf"):
        if name in schema:
            return a_value(schema[name][0], schemas)
    if schema.get("type") == "object":
        return {name: a_value(schema["properties"][name], schemas) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return [a_value(schema["items"], schemas)] * schema.get("minItems", 0)
    if schema.get("type") == "string":
        return FORMATS.get(schema.get("format", ""), "a-text-of-a-length-that-pleases")
    return True if schema.get("type") == "boolean" else schema.get("minimum", 1)


FORMATS = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "somebody@example.com",
    "date-time": "2199-01-01T00:00:00Z",
}
