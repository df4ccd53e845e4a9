"""The main job, run once over HTTP as a trainee would, and the rows that it leaves in the database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from django.urls import reverse

from apps.accounts.models.roles import Scope
from apps.chatlab.models import Message, MessageRole
from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState, Status
from persistence.models import PersistedChunk

ANSWER_SECONDS = 30.0
REPLY_SECONDS = 150.0
"""A real model with retries may need that long."""
QUESTIONS = (
    "Can you show me where it hurts, and tell me when it started?",
    "Have you been sick, or had a fever?",
    "Does anything make it better or worse?",
    "Have you ever had anything like this before?",
)
"""In turn: a later start asks the next one."""
MAIN_JOB_SCOPES = (Scope.SIMULATIONS_READ, Scope.SIMULATIONS_WRITE)
PATIENT = "Maria Alvarez"
SIMULATION = {
    "sim_patient_full_name": PATIENT,
    "diagnosis": "acute appendicitis",
    "chief_complaint": "belly pain since last night",
}


class JobFailed(Exception):
    """The main job failed; the message says where."""


class Client:
    """An HTTP client with an API key, or with a session: keeps cookies, and sends the CSRF token with every post."""

    def __init__(self, base: str, *, key: str = "") -> None:
        self._base = base
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._open = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar())).open

    def sign_in(self, email: str, password: str) -> None:
        answer = self.post(reverse("api:sign_in"), {"email": email, "password": password})
        self._headers = {"X-CSRFToken": answer["csrf_token"]}

    def get(self, path: str) -> Any:
        """The JSON at a path; JobFailed for an error or no response."""
        return self._ask(Request(self._base + path, headers=self._headers))  # noqa: S310 - http, to this machine

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON; returns the answer's JSON."""
        headers = {"Content-Type": "application/json", **self._headers}
        return self._ask(Request(self._base + path, json.dumps(body).encode(), headers))  # noqa: S310 - as above

    def _ask(self, request: Request) -> Any:
        try:
            with self._open(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise JobFailed(f"{request.get_method()} {request.selector}: {error.code} {error.read(500)!r}") from error
        except (URLError, OSError) as error:
            raise JobFailed(f"{request.get_method()} {request.selector}: no answer") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the database holds after the job."""

    calls: list[ServiceCallRecord]
    messages: list[Message]
    chunks: list[PersistedChunk] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Both replies are stored as messages, each by its own chunk, and the messages are numbered without a gap."""
        answers = [message for message in self.messages if message.is_from_ai]
        sequences = [message.sequence for message in self.messages]
        return (
            len(answers) >= 2
            and {chunk.call_id for chunk in self.chunks} == {call.pk for call in self.calls}
            and all(call.domain_persisted for call in self.calls)
            and sequences == list(range(1, len(sequences) + 1))
        )


def run_main_job(client: Client, say: Callable[[str], None]) -> Outcome:
    """Ask the patient a question and wait for the reply; JobFailed when a step fails.

    The patient of an earlier start is asked as long as that simulation runs, else one is started.
    """
    simulation = _running_simulation(client)
    calls = []
    if simulation is None:
        simulation = client.post(reverse("api:create_simulation"), SIMULATION)
        say(f"started simulation {simulation['id']}: {PATIENT}")
        calls.append(simulation["call"]["id"])
        first = _wait_for_reply(client, simulation["id"], calls[0])
        say(f"the patient: {first['content']}")
    else:
        say(f"simulation {simulation['id']} still runs: {PATIENT}")
    messages = reverse("api:create_message", kwargs={"simulation_id": simulation["id"]})
    asked_before = Message.objects.filter(simulation__uuid=simulation["id"], role=MessageRole.USER).count()
    question = QUESTIONS[asked_before % len(QUESTIONS)]
    posted = client.post(messages, {"content": question, "client_id": f"demo-{time.time_ns()}"})
    say(f"the trainee: {question}")
    calls.append(posted["call"]["id"])
    reply = _wait_for_reply(client, simulation["id"], calls[-1], asked=posted["message"])
    say(f"the patient: {reply['content']}")
    return stored(calls, simulation["id"])


def _running_simulation(client: Client) -> dict[str, Any] | None:
    """The newest of this job that still runs."""
    for simulation in client.get(reverse("api:list_simulations"))["items"]:
        if simulation["status"] == "running" and simulation["sim_patient_full_name"] == PATIENT:
            return dict(simulation)
    return None


def stored(call_ids: list[str], simulation_id: str) -> Outcome:
    """The rows of these calls and of the simulation's chat."""
    return Outcome(
        calls=list(ServiceCallRecord.objects.filter(pk__in=call_ids).order_by("created_at")),
        messages=list(Message.objects.filter(simulation__uuid=simulation_id).order_by("sequence")),
        chunks=list(PersistedChunk.objects.filter(call_id__in=call_ids)),
    )


def report(outcome: Outcome) -> list[str]:
    """What was persisted, one line per row."""
    lines = []
    for call in outcome.calls:
        lines.append(
            f"call {call.pk} {call.service_identity}: {call.status}, {call.attempts} attempt(s),"
            f" {call.total_tokens} tokens ({call.input_tokens} in, {call.output_tokens} out),"
            f" {call.provider} {call.model}, domain rows {call.domain_persist_state}"
        )
    for message in outcome.messages:
        lines.append(f"message {message.pk} no. {message.sequence} by the {message.role}, call {message.call_id}")
    return lines


def _wait_for_reply(
    client: Client, simulation_id: str, call_id: str, asked: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The patient's first message, in reply to `asked`; JobFailed when its call fails or none arrives in time."""
    path = reverse("api:list_messages", kwargs={"simulation_id": simulation_id})
    after, reply_to = (asked["sequence"], asked["id"]) if asked else (0, None)
    deadline = time.monotonic() + REPLY_SECONDS
    while time.monotonic() < deadline:
        for message in client.get(f"{path}?after={after}")["items"]:
            if message["is_from_ai"] and (asked is None or message["reply_to"] == reply_to):
                return dict(message)
        _refuse_failed(call_id)
        time.sleep(0.2)
    raise JobFailed(f"call {call_id} produced no message within {REPLY_SECONDS:g} seconds")


def _refuse_failed(call_id: str) -> None:
    call = ServiceCallRecord.objects.filter(pk=call_id).first()
    if call is None or call.status == Status.FAILED or call.domain_persist_state == PersistState.DEAD:
        why = "is not in the database" if call is None else call.error_code or "could not be persisted"
        raise JobFailed(f"call {call_id}: {why}; the admin shows it")
