"""Those who ask, and what they ask for: everything belongs to one trainee, or to the instructor who made the case."""

from __future__ import annotations

import io
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import Client
from django.utils import timezone
from PIL import Image

from apps.accounts.models import ApiKey, User
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import Scope, UserRole
from apps.chatlab.models import Message
from apps.simulation.models import FeedbackQuestion, Simulation
from apps.simulation.services.image_upload import add_image, read_picture
from apps.trainerlab.models import Assignment, InstructorNote, TrainerSession
from apps.trainerlab.services.pictures import add_picture
from orchestration.content import image_now
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentUse
from orchestration.models.saved_searches import SavedSearch
from orchestration.operations import RETRY
from persistence.models import BulkRun
from persistence.models.approval import Hold
from tests.apps.consensus.reviewing import new_run
from tests.apps.people import person
from tests.apps.training.visits import scenario_of
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed
from tests.rows_of_any_model import a_row

ACTORS = ("anonymous", "owner", "other", "author", "instructor", "flagged", "viewer", "operator", "root")
"""See README.md beside this file."""
OPERATED = ("orchestration", "persistence", "gateway", "consensus", "simulation", "chatlab", "trainerlab")


def picture() -> SimpleUploadedFile:
    target = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(target, "PNG")
    return SimpleUploadedFile("x.png", target.getvalue(), "image/png")


class World:
    """Made once for each test, in its transaction; what a request does is rolled back by who asks."""

    def __init__(self) -> None:
        self.people = _people()
        self.clients = {name: Client(raise_request_exception=False) for name in ACTORS}
        for name, user in self.people.items():
            self.clients[name].force_login(user)
        self.secrets = {scope: ApiKey.issue(self.people["root"], str(scope), [scope])[1] for scope in Scope}
        self.values = _values(self.people)
        self.lists: dict[tuple[str, str], tuple[str, str]] = {}
        """By address and actor: the status and the page, for the questions after the first."""
        self._rows: dict[type[models.Model], Any] = {}

    def address(self, route: str) -> str:
        """The route with its parameters filled in: of the console a row of its model, else what `_values` made."""
        parts = route.split("/")
        own = dict(self.values)
        if parts[1] == "admin" and len(parts) > 3 and ("{" in route or "?action=" in route):
            own |= self._of_console(parts[2], parts[3])
        if "/scenarios/" in route:
            own["image_id"] = own["case_image_id"]
        if route.endswith("{call_id}/retry"):
            own["call_id"] = own["stopped_id"]
        if "/compare/" in route:
            own["other_id"] = own["stopped_id"]
        return route.format_map(own)

    def _of_console(self, app_label: str, name: str) -> dict[str, Any]:
        try:
            model = apps.get_model(app_label, name)
        except LookupError:
            return {}
        if model not in self._rows:
            known = self.values["rows"].get(model)
            self._rows[model] = known or a_row(model)
        pk = self._rows[model].pk
        downloads = getattr(admin.site._registry.get(model), "downloads", ())
        return {
            **{"object_id": pk, "id": pk, "column": next(iter(downloads), "result")},
            **({"run_id": pk} if model is BulkRun else {}),
        }


def _people() -> dict[str, User]:
    flagged, viewer = person(is_staff=True), person(is_staff=True)
    viewing = Permission.objects.filter(codename__startswith="view_").exclude(codename="view_content")
    viewer.user_permissions.set(viewing)
    operator = person(UserRole.STAFF, is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label__in=OPERATED))
    return {
        "owner": person(),
        "other": person(),
        "author": person(UserRole.INSTRUCTOR),
        "instructor": person(UserRole.INSTRUCTOR),
        "flagged": flagged,
        "viewer": viewer,
        "operator": operator,
        "root": User.objects.create_superuser("root@example.com", "pw"),
    }


def _shown_by(call: ServiceCallRecord) -> str:
    """The digest of a picture that a call showed its model."""
    digest = image_now(picture())["content"].removeprefix("sha256:")
    ContentUse.objects.create(content_id=digest, call=call, kind="image")
    return str(digest)


def _values(people: dict[str, User]) -> dict[str, Any]:
    owner, author, now = people["owner"], people["author"], timezone.now()
    template = scenario_of(author, is_open=False)
    simulation = a_row(Simulation, user=owner, status="running", started_at=now, feedback_status="ready")
    session = a_row(TrainerSession, simulation=simulation, template=template, instructor=author)
    message = a_row(Message, simulation=simulation, sequence=1, role="user", sender=owner, delivery_status="failed")
    Simulation.objects.filter(pk=simulation.pk).update(next_sequence=2)
    question = a_row(FeedbackQuestion, simulation=simulation, asked_by=owner, status="failed")
    run, other_run = new_run(owner), new_run(owner)
    call = succeeded(owner, requested_by=owner)
    stopped = failed(requested_by=owner)
    invitation = Invitation(email="guest@example.com", invited_by=author)
    token = invitation.draw_token()
    invitation.save()
    key = ApiKey.issue(owner, "theirs", [Scope.CALLS_READ])[0]
    bulk = BulkRun.objects.create(kind=RETRY.key, requested_by=people["operator"])
    rows = (simulation, session, message, run, call, invitation, key, template, bulk, owner)
    return {
        "simulation_id": simulation.uuid,
        "message_id": message.pk,
        "question_id": question.pk,
        "image_id": add_image(simulation, owner, read_picture(picture()), "x-ray").uuid,
        "case_image_id": add_picture(template, read_picture(picture()), "x-ray").uuid,
        "scenario_id": template.uuid,
        "assignment_id": a_row(Assignment, template=template, trainee=owner, assigned_by=author).pk,
        "note_id": a_row(InstructorNote, session=session, author=author, content="Well done.").pk,
        "invitation_id": invitation.pk,
        "token": token,
        "uidb64": "MQ",
        "key_id": key.pk,
        "kind": "pause",
        "verb": "start",
        "slug": "platform",
        "call_id": call.pk,
        "digest": _shown_by(call),
        "stopped_id": stopped.pk,
        "other_id": other_run.pk,
        "run_id": run.pk,
        "bulk_run_id": bulk.pk,
        "hold_id": a_row(Hold, call_id=call.pk, persons=2).pk,
        "search_id": a_row(SavedSearch, owner=people["operator"]).pk,
        "content_type_id": 1,
        "object_id": 1,
        "rows": {type(row): row for row in rows},
    }
