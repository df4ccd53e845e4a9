"""Something of everything that the pages show, made with the kit for tests and by the engine itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.test import RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone

from orchestration.models import (
    AIRequestAudit,
    AIResponseAudit,
    ModelPrice,
    Pause,
    PromptText,
    ProviderCircuit,
    RateLimit,
    ServiceCallRecord,
)
from orchestration.models.prompt_overrides import PromptPart
from orchestration.operations import RETRY
from orchestration.testing import drain, make_call, scripted_provider
from persistence.bulk.runs import freeze_rows, start
from persistence.bulk.worker import work
from persistence.models import BulkRun, PersistedChunk, PersistedObject
from persistence.models.approval import Hold
from persistence.operations import REPROCESS
from persistence.reprocessing.rerun import rerun
from tests.rows_of_any_model import a_row
from tests.stranger.environment import PASSWORD
from tests.stranger.orca.ticket_answer import GenerateTicketAnswer, TicketAnswerSchema, TicketAnswerSection

LABELS = ("orchestration", "persistence", "django_q")
GOOD = {"text": "On its way. " * 20, "urgent": False}
LONG = "https://example.org/" + "a-very-long-address-without-a-blank/" * 20


def fill() -> None:
    """Calls in every state, what became of them, and a row of every model that has a page."""
    root: Any = get_user_model().objects.create_superuser("root", "root@example.org", PASSWORD)
    person = str(root.pk)
    with scripted_provider() as provider:
        provider.answer({"text": "half"}, contains="mended")
        provider.fail("rate_limit", contains="later")
        provider.fail("refusal", contains="refused")
        provider.answer({"text": "unwanted", "urgent": True}, contains="dead", times=2)
        provider.answer(GOOD, times=None)
        for question in ("mended", "later", "refused", "dead", "dead again", f"long {LONG}"):
            options = {"context": {"question": question, "person": person}, "requested_by": root}
            GenerateTicketAnswer.using(related_object=root, **options).enqueue_now()
        drain(scheduled=True)
        rerun(
            ServiceCallRecord.objects.in_persist_state("persisted").latest("pk"),
            parameters={"temperature": 0.1},
            requested_by=root,
        )
        drain(scheduled=True)
    bulk_runs(root)
    waits_for_approval(root)
    held_back(root)
    for model in pages_of(admin.site):
        if not model._default_manager.exists():
            a_row(model)


def bulk_runs(root: Any) -> None:
    """A draft, one that is under way, and one that left something undone."""
    calls = ServiceCallRecord.objects.all()
    freeze_rows(RETRY.key, calls, asked={"q": "everything"}, requested_by=root)
    start(freeze_rows(RETRY.key, calls, requested_by=root), reason="tried again")
    ended = freeze_rows(REPROCESS.key, calls.dead(), options={"policy": "keep"}, requested_by=root)
    start(ended)
    work(ended.pk)


def waits_for_approval(root: Any) -> None:
    """A result that somebody has to look at before its rows are written."""
    asked = {"DOMAIN_PERSIST_APPROVAL": {"*": {"always": True}}}
    with override_settings(ORCHESTRAI={**settings.ORCHESTRAI, **asked}), scripted_provider() as provider:
        provider.answer(GOOD)
        make_call(GenerateTicketAnswer, context={"question": "held", "person": str(root.pk)}, requested_by=root)
        drain()


def held_back(root: Any) -> None:
    """Calls that wait and one that runs; prices and texts that somebody wrote."""
    Pause.start("service", str(GenerateTicketAnswer.identity), reason="while we look", by=root)
    make_call(GenerateTicketAnswer, context={"question": "paused"}, requested_by=root)
    make_call(GenerateTicketAnswer, status="running", context={"question": "running"})
    make_call(GenerateTicketAnswer, status="queued", context={"question": "planned"},
              run_at=timezone.now() + timedelta(days=1))  # fmt: skip
    ModelPrice.objects.create(provider="simulator", model="gpt-4o-mini",
                              input_per_million=1, cached_input_per_million=0, output_per_million=2)  # fmt: skip
    RateLimit.objects.create(pattern="default/gpt-4o-mini", requests_per_minute=60)
    ProviderCircuit.objects.create(client="default")
    text = PromptText(section=str(TicketAnswerSection.identity), part=PromptPart.INSTRUCTION, text="{code} Be brief.")
    text.publish(by=root)


def pages_of(site: admin.AdminSite) -> list[type[Model]]:
    """The models of the package and of django-q that have a page on a site."""
    return [model for model in site._registry if model._meta.app_label in LABELS]


def addresses(site: admin.AdminSite) -> dict[str, str]:
    """Every page by a name: lists, rows, forms, histories, and those that are not about one row."""
    found: dict[str, str] = {}
    request = RequestFactory().get("/")
    request.user = get_user_model()(is_active=True, is_superuser=True)
    for model in pages_of(site):
        name, key = f"{model._meta.app_label}_{model._meta.model_name}", model._default_manager.latest("pk").pk
        found[name] = _address(site, f"{name}_changelist")
        found[f"{name} row"] = _address(site, f"{name}_change", key)
        found[f"{name} history"] = _address(site, f"{name}_history", key)
        if site._registry[model].has_add_permission(request):
            found[f"{name} new"] = _address(site, f"{name}_add")
    return found | _of_calls(site) | _others(site)


def _of_calls(site: admin.AdminSite) -> dict[str, str]:
    """What one call is looked at and operated by, and the list as it is searched."""
    calls = ServiceCallRecord.objects
    listed = _address(site, "orchestration_servicecallrecord_changelist")
    repaired = AIRequestAudit.objects.filter(repair=1).latest("pk").call_id
    again = calls.filter(parent__isnull=False).latest("pk")
    done, failed = again.parent_id, calls.failed().earliest("pk").pk
    dead = calls.dead().earliest("pk").pk
    shown = {"repaired": repaired, "rerun": again.pk, "failed": failed, "dead": dead, "long": done,
             "waiting": calls.queued().earliest("pk").pk, "running": calls.running().earliest("pk").pk}  # fmt: skip
    return {
        **{f"call {name}": f"{listed}{key}/change/" for name, key in shown.items()},
        "retry": _address(site, "orchestration_servicecallrecord_retry_call", failed),
        "dry run": _address(site, "persistence_dry_run", done) + "?how=recreate",
        "revert": _address(site, "persistence_dry_run", done) + "?how=revert",
        "dry run of a dead one": _address(site, "persistence_dry_run", dead),
        "rerun": _address(site, "persistence_rerun", done),
        "compare": _address(site, "persistence_compare", done, again.pk),
        "search": f"{listed}?q={done}",
        "nothing": f"{listed}?q=nobody+ever+said+this",
        "saved": f"{listed}?saved=failed_today",
        "filtered": f"{listed}?status__exact=failed&model=none&created_at_from_0=2026-01-01&created_at_to_1=12:00",
        "edit": _address(site, "persistence_hold_edit", Hold.objects.open().latest("pk").pk),
        "unreadable": f"{listed}?created_at_from_0=yesterday",
    }


def _others(site: admin.AdminSite) -> dict[str, str]:
    runs = BulkRun.objects.in_bulk(field_name="id")
    return {
        **{f"run {run.state}": _address(site, "persistence_bulkrun_change", run.pk) for run in runs.values()},
        "dead letters": _address(site, "persistence_dead_letters"),
        "schemas and handlers": f"{_address(site, 'persistence_upgrades')}?schema={TicketAnswerSchema.identity}",
        "chunk": _address(site, "persistence_persistedchunk_change", PersistedChunk.objects.earliest("pk").pk),
        "object": _address(site, "persistence_persistedobject_change", PersistedObject.objects.earliest("pk").pk),
        "answer": _address(site, "orchestration_airesponseaudit_change", AIResponseAudit.objects.earliest("pk").pk),
        "app": _address(site, "app_list", "persistence"),
        "first": _address(site, "index"),
    }


def _address(site: admin.AdminSite, name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args, current_app=site.name)
