"""`python -m tests.stranger.visit`: makes the project's database, fills it, and goes everywhere; prints what is wrong
with what it sees as JSON. With `--only-prepare` it prints the addresses of all pages instead."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402 - after the setup
from django.contrib import admin  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from orchestration.models import ServiceCallRecord  # noqa: E402
from orchestration.testing import drain  # noqa: E402
from tests.stranger.models import TicketAnswer  # noqa: E402
from tests.stranger.orca.ticket_answer import GenerateTicketAnswer  # noqa: E402
from tests.stranger.rows import addresses, fill  # noqa: E402

LINKS = re.compile(r'''(?:href|action|src|data-url|hx-get)="(/[^"]*)"''')
OWN = ("/back/office/", "/files/")


def prepare() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("check", databases=["default"], fail_level="WARNING")
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    fill()


def visit() -> Iterator[str]:
    """What is wrong."""
    root = get_user_model().objects.get(username="root")
    client = Client(raise_request_exception=False, headers={"accept-language": "de"})
    client.force_login(root)
    for name, path in addresses(admin.site).items():
        yield from (f"{name}: {wrong}" for wrong in _faults(client.get(path, follow=True), name))
    yield from _over_rest(client, root)
    yield from _by_hand(client)
    drain()


def _faults(answer: Any, name: str) -> Iterator[str]:
    if answer.status_code != 200:
        yield f"{answer.status_code}"
        return
    body = answer.content.decode()
    if apps.is_installed("unfold"):
        wanted = ["orchestration/console.css"]
    else:
        wanted = ['id="office"', "Made by strangers."]
        if not name.startswith("django_q") and name not in ("first", "app"):
            wanted += ["orchestration/plain.css", "orchestration/plain.js", 'id="orca-alerts"']
    yield from (f"lacks {text}" for text in wanted if text not in body)
    yield from (f"leads to {path}" for path in LINKS.findall(body) if path != "/" and not path.startswith(OWN))


def _over_rest(client: Client, root: Any) -> Iterator[str]:
    """A call that is submitted, run, persisted and read over REST belongs to who asked."""
    body = {"service": str(GenerateTicketAnswer.identity), "context": {"question": "?", "person": str(root.pk)}}
    client.post(reverse("admin:orchestration_pause_changelist"), _chosen("resume_selected"))
    sent = client.post("/machines/calls/service-calls", body, content_type="application/json",
                       headers={"idempotency-key": "once"})  # fmt: skip
    if sent.status_code != 202:
        yield f"REST: {sent.status_code} {sent.content.decode()}"
        return
    again = client.post("/machines/calls/service-calls", body, content_type="application/json",
                        headers={"idempotency-key": "once"})  # fmt: skip
    drain()
    links = sent.json()["links"]
    if again.json()["id"] != sent.json()["id"] or sent["Location"] != links["self"]:
        yield "REST: an idempotency key is not of who sends it"
    if not all(path.startswith("/machines/calls/") for path in links.values()):
        yield f"REST: links lead to {links}"
    (chunk,) = client.get(links["objects"]).json()
    (made,) = chunk["objects"]
    if TicketAnswer.objects.get(pk=made["id"]).asked_by != root or not client.get(made["links"]["admin"]).content:
        yield f"REST: the object is {made}"
    if ServiceCallRecord.objects.get(pk=sent.json()["id"]).requested_by != root:
        yield "REST: the call is not of who submitted it"
    listed = client.get("/machines/calls/service-calls").json()["items"]
    if sent.json()["id"] not in {item["id"] for item in listed}:
        yield "REST: a call is not listed"


def _by_hand(client: Client) -> Iterator[str]:
    """Actions of lists, searches by a key that is a UUID, and the pages for machines."""
    listed = reverse("admin:orchestration_servicecallrecord_changelist")
    root = get_user_model().objects.get(username="root")
    for term in (f"person:{root.pk}", "person:root"):
        if 'name="_selected_action"' not in client.get(listed, {"q": term}).content.decode():
            yield f"{term} finds nothing"
    failed = ServiceCallRecord.objects.failed().latest("pk")
    done = client.post(listed, _chosen("cancel_selected", failed.pk) | {"confirmed": "yes", "reason": "x"}, follow=True)
    again = client.post(listed, _chosen("retry_selected", failed.pk) | {"confirmed": "yes", "reason": "x"}, follow=True)
    is_queued = ServiceCallRecord.objects.queued().filter(pk=failed.pk).exists()
    if done.status_code != 200 or again.status_code != 200 or not is_queued:
        yield f"a call is not retried from the list: {again.status_code}"
    nobody = Client()
    for path, text in (("healthz", "ok"), ("readyz", "ready"), ("metrics", "orchestrai_calls")):
        if text not in nobody.get(f"/inside/{path}").content.decode():
            yield f"/inside/{path} does not say {text}"


def _chosen(action: str, *keys: str) -> dict[str, Any]:
    picked = keys or [str(row.pk) for row in apps.get_model("orchestration.Pause").objects.all()]
    return {"action": action, "_selected_action": picked}


def main() -> None:
    prepare()
    if "--only-prepare" in sys.argv:
        print(json.dumps(addresses(admin.site)))  # noqa: T201 - what is read
    else:
        print(json.dumps(list(visit())))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
