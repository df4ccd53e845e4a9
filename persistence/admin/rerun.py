"""Rerunning a call with changes, and comparing two calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from orchestration.access_log import log_content_access
from orchestration.admin.base import VIEW_CONTENT, may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.admin.call_detail import LISTED_RERUNS, content_url, family_read_once
from orchestration.admin.content_display import JsonText, as_json
from orchestration.admin.sections import Section, Tab, add_call_sections
from orchestration.errors import OrchestrationError
from orchestration.models import ServiceCallRecord
from orchestration.theme.parts import TextareaWidget
from orchestration.theme.words import NOTHING, money, seconds
from orchestration.types import Message
from orchestration.values.content_parts import Content, content_of, described, media_of, text_of_content
from persistence.admin.base import ReasonForm, note, page, render, require, shown_call
from persistence.admin.operation_forms import RerunForm
from persistence.operations import RERUN
from persistence.reprocessing.rerun import (
    Difference,
    Side,
    TooLong,
    compare,
    rerun,
    sent_messages,
    with_temperature,
)
from persistence.reprocessing.rerun_costs import costs_by_model

TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")


class OneRerunForm(RerunForm, ReasonForm):
    """Model and temperature, and, for those who may read it, the prompt as it was sent."""

    field_order = ("model", "temperature", "persist")

    def __init__(self, *args: Any, prompt: list[Message], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prompt = prompt
        for number, message in enumerate(prompt):
            self.fields[f"message_{number}"] = forms.CharField(
                label=f"Prompt: {message['role']}",
                initial=text_of_content(message["content"]),
                help_text=" ".join(map(described, media_of(message["content"]))),
                required=False,
                strip=False,
                widget=TextareaWidget(attrs={"rows": 8}),
            )
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def messages(self) -> list[Message] | None:
        """The prompt as it was edited; None when it was left alone, and is rendered again."""
        edited: list[Message] = [
            {"role": message["role"], "content": self._edited(number, message["content"])}
            for number, message in enumerate(self.prompt)
        ]
        if edited == self.prompt:
            return None
        return [message for message in edited if message["content"]]

    def _edited(self, number: int, content: Content) -> Content:
        """A message's text as it was edited; images, audio and files stay, and follow a text that was changed."""
        text = self.cleaned_data[f"message_{number}"].replace("\r\n", "\n")
        if text == text_of_content(content):
            return content
        return content_of([text, *media_of(content)], "The prompt") if text.strip() or media_of(content) else ""


@page("calls/<str:call_id>/rerun/", "rerun")
def rerun_page(request: HttpRequest, call_id: str) -> HttpResponse:
    """One new, paid call beside this one; then both side by side."""
    call = shown_call(request, call_id)
    require(request, RERUN.permission)
    if not call.is_terminal:
        messages.warning(request, f"The call is {call.status}; it has no answer of its own yet.")
        return HttpResponseRedirect(call_url(call.pk))
    content = may_read_content(request)
    form = OneRerunForm(
        request.POST if request.method == "POST" else None, prompt=sent_messages(call) if content else []
    )
    if form.is_valid():
        new_call = _asked(request, call, form)
        if new_call is not None:
            return HttpResponseRedirect(compare_url(call.pk, new_call.pk))
    elif content and request.method == "GET":
        log_content_access(request.user, call, ", to rerun it")
    return render(
        request,
        "rerun.html",
        "Rerun",
        call=call,
        call_url=call_url(call.pk),
        form=form,
        content=content,
        asked_model=call.service_kwargs.get("model") or call.model or call.model_requested,
        costs=costs_by_model(call),
    )


def _asked(request: HttpRequest, call: ServiceCallRecord, form: OneRerunForm) -> ServiceCallRecord | None:
    """The new call; None when it was refused, and the form says why."""
    try:
        with transaction.atomic():
            new_call = rerun(
                call,
                model=form.cleaned_data["model"] or None,
                parameters=with_temperature(form.cleaned_data["temperature"]),
                messages=form.messages(),
                persist=form.cleaned_data["persist"],
                requested_by=request.user,
            )
            reason = form.cleaned_data["reason"]
            note(request, call, f"Rerun as {new_call.pk}. {reason}")
            note(request, new_call, f"Rerun of {call.pk}. {reason}")
    except OrchestrationError as error:
        form.add_error(None, str(error))
        return None
    return new_call


@page("calls/<str:call_id>/compare/<str:other_id>/", "compare")
def compare_page(request: HttpRequest, call_id: str, other_id: str) -> HttpResponse:
    """Requests, answers, tokens, cost, latency and domain objects of two calls; follows what still runs."""
    left, right = shown_call(request, call_id), shown_call(request, other_id)
    require(request, VIEW_CONTENT)
    found = compare(left, right)
    if "HX-Request" not in request.headers:
        for call, other in ((left, right), (right, left)):
            log_content_access(request.user, call, f", beside {other.pk}")
    rows: list[tuple[str, Any, Any]] = [
        ("Status", left.status, right.status),
        ("Model", found.left.model, found.right.model),
        ("Cost", money(found.left.cost), money(found.right.cost)),
        ("Latency", _ms(found.left.latency_ms), _ms(found.right.latency_ms)),
        *(
            (name.replace("_", " ").capitalize(), _count(found.left.tokens[name]), _count(found.right.tokens[name]))
            for name in TOKENS
        ),
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
            ("Answer", _differences(found.output), "The answers are the same."),
            ("Request", _differences(found.request), "The requests are the same."),
            (
                "Domain objects",
                _differences(found.objects),
                "Apart from keys and times, they became the same.",
            ),
        ],
        outputs=[_answer(left, found.left), _answer(right, found.right)],
        objects=(found.left.objects, found.right.objects),
        waits=not (left.is_terminal and right.is_terminal),
    )


def _differences(differences: list[Difference]) -> list[tuple[str, str, str]]:
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
    return seconds(None if latency is None else timedelta(milliseconds=latency))


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def compare_url(call_id: str, other_id: str) -> str:
    return reverse("admin:persistence_compare", args=(call_id, other_id))


@add_call_sections
def comparisons(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """On a call's page: what it can be laid beside."""
    if not may_read_content(request):
        return
    relatives = [("rerun", row.pk) for row in family_read_once(call)[:LISTED_RERUNS] if row.parent_id == call.pk]
    if call.parent_id:
        relatives.insert(0, ("original", call.parent_id))
    if relatives:
        yield Section(
            title="Side by side",
            tab=Tab.RERUNS,
            template="admin/persistence/relatives.html",
            context={"relatives": [(kind, key, compare_url(call.pk, key)) for kind, key in relatives]},
        )
