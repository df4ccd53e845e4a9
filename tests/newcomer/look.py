"""Runs in the newcomer's project, in `manage.py shell`: looks at every page that docs/adopt.md promises."""

import django
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django_q.models import Schedule
from support.orca.ticket_answer import GenerateTicketAnswer

from orchestration.django_q.registration import PERIODIC
from orchestration.models import ServiceCallRecord

settings.ALLOWED_HOSTS = ["testserver"]
console = apps.is_installed("unfold")
call = ServiceCallRecord.objects.get()
root = get_user_model().objects.create_superuser("root", "root@example.org", "pw")
stranger = Client()
client = Client()


def shown(path, *expected):
    """The page is there, and has these texts; a redirect is followed."""
    answer = client.get(path, follow=True)
    body = answer.content.decode()
    assert answer.status_code == 200, f"{path}: {answer.status_code} {body[:2000]}"
    for text in expected:
        assert text.lower() in body.lower(), f"{path} does not show {text!r}: {body[:6000]}"


shown("/admin/", 'name="password"')
answer = client.post("/admin/login/?next=/admin/", {"username": "root", "password": "pw"})
assert (answer.status_code, answer["Location"]) == (302, "/admin/"), answer.content

CALLS = "/admin/orchestration/servicecallrecord/"
PAGES = {
    "/admin/": "orca-overview" if console else "Service calls",
    "/admin/persistence/": "Persisted chunks" if console else "Schemas and handlers",
    CALLS: "orchestration/console.css",
    f"{CALLS}?status__exact=succeeded&model=no-such&created_at_from_0=2026-01-01": "0 service calls",
    f"{CALLS}?q={call.pk}": call.pk[-8:],
    f"{CALLS}{call.pk}/change/": "TicketAnswer",
    f"{CALLS}{call.pk}/history/": "What people did",
    "/admin/persistence/bulkrun/dead-letters/": "Dead letters",
    "/admin/persistence/bulkrun/upgrades/": "What persisted which results",
    f"/admin/persistence/bulkrun/calls/{call.pk}/dry-run/": "What it would do",
    "/admin/orchestration/pause/add/": "Reason",
    "/admin/orchestration/modelprice/add/": "Input per million",
    "/healthz": "ok",
    "/readyz": '"ready": true',
    "/metrics": "orchestrai_calls",
    f"/api/service-calls/{call.pk}": '"status": "succeeded"',
    f"/api/service-calls/{call.pk}/objects": "support.TicketAnswer",
}
if console:
    del PAGES[f"{CALLS}?status__exact=succeeded&model=no-such&created_at_from_0=2026-01-01"]  # it counts nothing
for path, expected in PAGES.items():
    shown(path, expected)

lists = [
    model for model in admin.site._registry if model._meta.app_label in ("orchestration", "persistence", "django_q")
]
for model in lists:
    shown(
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        str(model._meta.verbose_name_plural),
    )

# An action: a queued call is cancelled from the list, which asks first.
made = GenerateTicketAnswer.using(context={"question": "And my refund?"}).enqueue_now()
queued = ServiceCallRecord.objects.get(pk=made.id)
chosen = {"action": "cancel_selected", "_selected_action": queued.pk}
asked = client.post(CALLS, chosen)
assert asked.status_code == 200, asked.content
assert b"Cancel 1 service call" in asked.content, asked.content
done = client.post(CALLS, chosen | {"confirmed": "yes", "reason": "asked twice"}, follow=True)
assert b"1 call cancelled or asked to stop" in done.content, done.content
queued.refresh_from_db()
assert queued.status == "cancelled", queued.status
shown(f"{CALLS}{queued.pk}/history/", "asked twice")

assert stranger.get(f"/api/service-calls/{call.pk}").status_code == 401
missing = client.get("/api/service-calls/0")
assert (missing.status_code, missing.json()) == (404, {"detail": "There is no such service call."}), missing.content
scheduled = set(Schedule.objects.values_list("name", flat=True))
assert scheduled == {each.name for each in PERIODIC} >= {"orchestration sweep", "persistence drain"}, scheduled
theme = "unfold" if console else "Django's own theme"
pages = len(PAGES) + len(lists)
print(f"Django {django.get_version()}, {settings.AUTH_USER_MODEL}, {theme}: {call.status}, {pages} pages")  # noqa: T201
