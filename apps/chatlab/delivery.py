"""Asking the simulated patient, and keeping track of whether it answered.

Everything here takes the simulation's row lock first, so that posts, replies, failures and retries of one simulation
happen one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from apps.chatlab.errors import ClientIdReused, NotRetryable, RetriesUsed, SimulationEnded
from apps.chatlab.models import MAX_RETRIES, ChatSession, Delivery, Message, MessageRole, store_message
from apps.chatlab.orca.services import GeneratePatientInitial, GeneratePatientReply
from apps.simulation.models import Simulation
from orchestration.engine.submit import CallSpec, submit, wake
from orchestration.errors import TransitionRefused
from orchestration.models import ServiceCallRecord

if TYPE_CHECKING:
    from apps.accounts.models import User

NOT_STORED = "not_stored"


def open_chat(simulation: Simulation, user: User) -> ChatSession:
    """The chat of a new simulation, and the call that makes its first message, in the caller's transaction."""
    session = ChatSession.objects.create(simulation=simulation)
    simulation.initial_call = submit(
        CallSpec(
            service=GeneratePatientInitial,
            context={"simulation_id": simulation.pk},
            ordering_key=simulation.ordering_key,
            related_object=simulation,
            requested_by=user,
            model=simulation.model or None,
        )
    )
    simulation.save(update_fields=["initial_call"])
    return session


def post_message(simulation_id: int, user: User, content: str, client_id: str | None = None) -> Message:
    """Store what the user says and submit the call that replies, all or nothing.

    The same `client_id` again gives the same message back and asks nobody. Raises SimulationEnded or ClientIdReused.
    """
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        known = _posted_before(simulation, user, content, client_id)
        if known is not None:
            return known
        if simulation.has_ended:
            raise SimulationEnded
        message = store_message(
            simulation,
            sender=user,
            role=MessageRole.USER,
            content=content,
            client_id=client_id,
            delivery_status=Delivery.PENDING,
        )
        _ask(simulation, message, user)
    return message


def _posted_before(simulation: Simulation, user: User, content: str, client_id: str | None) -> Message | None:
    if client_id is None:
        return None
    known = Message.objects.select_related("call", "sender").filter(simulation=simulation, client_id=client_id).first()
    if known is not None and (known.content, known.sender) != (content, user):
        raise ClientIdReused
    return known


def _ask(simulation: Simulation, message: Message, user: User | None) -> None:
    message.call = submit(
        CallSpec(
            service=GeneratePatientReply,
            context={"simulation_id": simulation.pk, "message_id": message.pk},
            ordering_key=simulation.ordering_key,
            related_object=simulation,
            requested_by=user,
            model=simulation.model or None,
        )
    )
    message.save(update_fields=["call"])


def retry_message(simulation_id: int, message_id: int) -> Message:
    """Try a failed question again, at most MAX_RETRIES times, as a new attempt of its call.

    Raises SimulationEnded, NotRetryable or RetriesUsed, and Message.DoesNotExist.
    """
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        message = Message.objects.select_related("call", "sender").get(pk=message_id, simulation=simulation)
        if simulation.has_ended:
            raise SimulationEnded
        if message.delivery_status != Delivery.FAILED or not message.retryable:
            raise NotRetryable
        if message.retries >= MAX_RETRIES:
            raise RetriesUsed
        message.mark_retried()
        if message.call is None:  # its call was pruned
            _ask(simulation, message, message.sender)
        else:
            _run_again(message.call)
    return message


def retry_initial(simulation_id: int) -> Simulation:
    """Try a failed opening again. Raises SimulationEnded or NotRetryable."""
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        if simulation.has_ended:
            raise SimulationEnded
        if simulation.initial_call is None or not simulation.prepare_again():
            raise NotRetryable("Only an opening that failed can be tried again.")
        _run_again(simulation.initial_call)
    return simulation


def _run_again(call: ServiceCallRecord) -> None:
    try:
        call.retry()
    except TransitionRefused as error:
        raise NotRetryable("Its call is not failed; wait for it, or ask an operator to look at it.") from error
    transaction.on_commit(wake, robust=True)


def settle_overdue(**call: str) -> int:
    """Mark questions and openings as failed whose call ended without a result; returns how many.

    `call_id` limits it to one call. The engine's signal brings this about at once; the sweep repeats it for all,
    because a signal dies with its process.
    """
    questions = Message.objects.overdue().filter(**call).values_list("pk", "simulation_id")
    openings = Simulation.objects.stalled().filter(**{f"initial_{name}": value for name, value in call.items()})
    settled = sum(_settle_question(pk, simulation_id) for pk, simulation_id in questions)
    return settled + sum(_settle_opening(pk) for pk in openings.values_list("pk", flat=True))


def _settle_question(message_id: int, simulation_id: int) -> bool:
    with transaction.atomic():
        Simulation.objects.locked(simulation_id)
        message = Message.objects.overdue().select_related("call").filter(pk=message_id).first()
        if message is None or message.call is None:
            return False
        code, retryable = verdict(message.call)
        return message.mark_failed(code, retryable=retryable)


def _settle_opening(simulation_id: int) -> bool:
    with transaction.atomic():
        Simulation.objects.locked(simulation_id)
        simulation = Simulation.objects.stalled().select_related("initial_call").filter(pk=simulation_id).first()
        if simulation is None or simulation.initial_call is None:
            return False
        return simulation.fail(verdict(simulation.initial_call)[0])


def verdict(call: ServiceCallRecord) -> tuple[str, bool]:
    """Why a call has no reply, as a code, and whether its asker may try again."""
    if call.result is not None:
        return NOT_STORED, False  # the answer is there; an operator can persist it again
    return call.error_code or call.status, call.retryable or call.cancel_requested_at is not None
