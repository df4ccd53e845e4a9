"""Asking the model again beside a call, with what one changes; and two calls side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from orchestration.admin.acting import call_url
from orchestration.admin.added import Button, add_call_buttons
from orchestration.admin.base import VIEW_CONTENT, may_read_content, money
from orchestration.admin.call_page import content_url
from orchestration.admin.content import JsonText, as_json
from orchestration.admin.sections import Section, add_call_sections
from orchestration.errors import OrchestrationError
from orchestration.looks import note_look
from orchestration.models import ServiceCallRecord
from orchestration.types import Message
from persistence.admin.acting import ReplayForm
from persistence.admin.pages import ReasonForm, note, page, render, require, shown_call
from persistence.siblings import Difference, Side, TooLong, compare, replay_with_model, sent_messages

REPLAY = "orchestration.replay_servicecallrecord"
LISTED_RELATIVES = 20
TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")


class OneReplayForm(ReplayForm, ReasonForm):
    """Model and temperature, and, for those who may read it, the prompt as it was sent."""

    field_order = ("model", "temperature")

    def __init__(self, *args: Any, prompt: list[Message], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prompt = prompt
        for number, message in enumerate(prompt):
            self.fields[f"message_{number}"] = forms.CharField(
                label=f"Prompt: {message['role']}",
                initial=message["content"],
                required=False,
                strip=False,
                widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
            )
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def messages(self) -> list[Message] | None:
        """The prompt as it was edited; None when it was left alone, and is rendered anew."""
        edited: list[Message] = [
            {"role": message["role"], "content": self.cleaned_data[f"message_{number}"].replace("\r\n", "\n")}
            for number, message in enumerate(self.prompt)
        ]
        if edited == self.prompt:
            return None
        return [message for message in edited if message["content"].strip()]


@page("calls/<str:call_id>/replay/", "replay")
def replay_page(request: HttpRequest, call_id: str) -> HttpResponse:
    """One new, paid call beside this one; then both side by side."""
    call = shown_call(request, call_id)
    require(request, REPLAY)
    if not call.is_terminal:
        messages.warning(request, f"The call is {call.status}; its own answer is still to come.")
        return HttpResponseRedirect(call_url(call.pk))
    content = may_read_content(request)
    form = OneReplayForm(
        request.POST if request.method == "POST" else None, prompt=sent_messages(call) if content else []
    )
    if form.is_valid():
        sibling = _asked(request, call, form)
        if sibling is not None:
            return HttpResponseRedirect(compare_url(call.pk, sibling.pk))
    elif content and request.method == "GET":
        note_look(request.user, call, ", to replay it")
    return render(
        request,
        "replay.html",
        "Replay",
        call=call,
        call_url=call_url(call.pk),
        form=form,
        content=content,
        asked_model=call.service_kwargs.get("model") or call.model or call.model_requested,
    )


def _asked(request: HttpRequest, call: ServiceCallRecord, form: OneReplayForm) -> ServiceCallRecord | None:
    """The sibling; None when it was refused, and the form says why."""
    try:
        with transaction.atomic():
            sibling = replay_with_model(
                call,
                model=form.cleaned_data["model"] or None,
                temperature=form.cleaned_data["temperature"],
                messages=form.messages(),
                requested_by=request.user,
            )
            reason = form.cleaned_data["reason"]
            note(request, call, f"Replayed as {sibling.pk}. {reason}")
            note(request, sibling, f"Replay of {call.pk}. {reason}")
    except OrchestrationError as error:
        form.add_error(None, str(error))
        return None
    return sibling


@page("calls/<str:call_id>/compare/<str:other_id>/", "compare")
def compare_page(request: HttpRequest, call_id: str, other_id: str) -> HttpResponse:
    """Requests, answers, tokens, cost, latency and domain objects of two calls; follows what still runs."""
    left, right = shown_call(request, call_id), shown_call(request, other_id)
    require(request, VIEW_CONTENT)
    found = compare(left, right)
    if "HX-Request" not in request.headers:
        for call, other in ((left, right), (right, left)):
            note_look(request.user, call, f", beside {other.pk}")
    rows: list[tuple[str, Any, Any]] = [
        ("Status", left.status, right.status),
        ("Model", found.left.model, found.right.model),
        ("Cost", money(found.left.cost), money(found.right.cost)),
        ("Latency", _ms(found.left.latency_ms), _ms(found.right.latency_ms)),
        *((name.replace("_", " ").capitalize(), found.left.tokens[name], found.right.tokens[name]) for name in TOKENS),
    ]
    return render(
        request,
        "compare.html",
        "Compare",
        left=left,
        right=right,
        left_url=call_url(left.pk),
        right_url=call_url(right.pk),
        rows=rows,
        diffs=[
            ("Answer", _told(found.output), "The answers are the same."),
            ("Request", _told(found.request), "The requests are the same."),
            ("Domain objects", _told(found.objects), "What they became is the same, but for keys and times."),
        ],
        outputs=[_answer(left, found.left), _answer(right, found.right)],
        objects=(found.left.objects, found.right.objects),
        waits=not (left.is_terminal and right.is_terminal),
    )


def _told(differences: list[Difference]) -> list[tuple[str, str, str]]:
    return [(path, _text(left), _text(right)) for path, left, right in differences]


def _text(value: Any) -> str:
    """Text as it is, other values as JSON."""
    return str(value) if isinstance(value, str | TooLong) else json.dumps(value, ensure_ascii=False)


def _answer(call: ServiceCallRecord, side: Side) -> JsonText:
    """Whole, or where it is downloaded."""
    if not isinstance(side.output, TooLong):
        return as_json(side.output)
    return JsonText("", side.output.length, content_url(call, "result"))


def _ms(latency: int | None) -> str:
    return "-" if latency is None else f"{latency} ms"


def compare_url(call_id: str, other_id: str) -> str:
    return reverse("admin:persistence_compare", args=(call_id, other_id))


@add_call_buttons
def replay_buttons(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Button]:
    if call.is_terminal and request.user.has_perm(REPLAY):
        yield Button(title="Replay", url=reverse("admin:persistence_replay", args=(call.pk,)), icon="replay")


@add_call_sections
def comparisons(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """On a call's page: what it can be laid beside."""
    if not may_read_content(request):
        return
    relatives = [("replay", key) for key in call.replays.values_list("pk", flat=True)[:LISTED_RELATIVES]]
    if call.parent_id:
        relatives.insert(0, ("original", call.parent_id))
    if relatives:
        yield Section(
            title="Side by side",
            template="admin/persistence/relatives.html",
            context={"relatives": [(kind, key, compare_url(call.pk, key)) for kind, key in relatives]},
        )
