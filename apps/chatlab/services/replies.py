"""Posts messages and orders, submits the calls that answer them, and tracks whether they were answered.

Everything here takes the simulation's row lock first, so that posts, replies, failures and retries of one simulation
happen one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from apps.chatlab.errors import ClientIdReused, NotRetryable, RetriesUsed, UnknownPicture
from apps.chatlab.models import (
    MAX_RETRIES,
    ChatSession,
    Delivery,
    Message,
    MessageMedia,
    MessageRole,
    MessageType,
    store_message,
)
from apps.chatlab.orca.services import GeneratePatientInitial, GeneratePatientReply, GeneratePatientResults
from apps.simulation.models import Simulation, SimulationImage
from apps.simulation.services.failed_calls import by_verdict, fail_openings, settle_in_groups
from apps.simulation.services.failure_messages import try_again
from apps.simulation.services.lifecycle import check_open
from apps.simulation.services.submit import submit_about
from orchestration.engine.queue.transport import wake
from orchestration.models import ServiceCallRecord

if TYPE_CHECKING:
    from apps.accounts.models import User


def open_chat(simulation: Simulation, user: User) -> ChatSession:
    """The chat of a new simulation, and the call that makes its first message, in the caller's transaction."""
    session = ChatSession.objects.create(simulation=simulation)
    simulation.initial_call = submit_about(simulation, GeneratePatientInitial, user)
    simulation.save(update_fields=["initial_call"])
    return session


def post_message(
    simulation_id: int,
    user: User,
    content: str,
    client_id: str | None = None,
    *,
    image_ids: Sequence[UUID] = (),
) -> Message:
    """Store a message of the user and submit the call that replies, in one transaction.

    `image_ids` are pictures that this user uploaded to this simulation. The same `client_id` again returns the same
    message and submits nothing. Raises SimulationEnded, SimulationPaused, TimeIsUp, ClientIdReused, UnknownPicture.
    """
    kind = MessageType.IMAGE if image_ids else MessageType.TEXT
    return _post(simulation_id, user, content, client_id, kind, image_ids)


def place_order(simulation_id: int, user: User, tests: Sequence[str], client_id: str | None = None) -> Message:
    """Order tests: a message of type `order` whose answer is a message of type `results` and rows of metadata.

    Retries, delivery state and refusals are those of `post_message`.
    """
    return _post(simulation_id, user, "\n".join(tests), client_id, MessageType.ORDER, ())


def _post(
    simulation_id: int,
    user: User,
    content: str,
    client_id: str | None,
    message_type: MessageType,
    image_ids: Sequence[UUID],
) -> Message:
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        known = _posted_before(simulation, user, (message_type, content), client_id)
        if known is not None:
            return known
        check_open(simulation)
        images = _own_images(simulation, user, image_ids)
        message = store_message(
            simulation,
            sender=user,
            role=MessageRole.USER,
            message_type=message_type,
            content=content,
            client_id=client_id,
            delivery_status=Delivery.PENDING,
        )
        MessageMedia.objects.bulk_create(MessageMedia(message=message, image=image) for image in images)
        _ask(simulation, message, user)
    return message


def _posted_before(simulation: Simulation, user: User, said: tuple[str, str], client_id: str | None) -> Message | None:
    if client_id is None:
        return None
    rows = Message.objects.select_related("call", "sender").prefetch_related("media__image")
    known = rows.filter(simulation=simulation, client_id=client_id).first()
    if known is not None and (known.message_type, known.content, known.sender) != (*said, user):
        raise ClientIdReused
    return known


def _own_images(simulation: Simulation, user: User, image_ids: Sequence[UUID]) -> list[SimulationImage]:
    if not image_ids:
        return []
    found = {image.uuid: image for image in simulation.images.filter(uuid__in=image_ids, uploaded_by=user)}
    if len(found) != len(set(image_ids)):
        raise UnknownPicture
    return [found[image_id] for image_id in dict.fromkeys(image_ids)]


def _ask(simulation: Simulation, message: Message, user: User | None) -> None:
    ordered = message.message_type == MessageType.ORDER
    service = GeneratePatientResults if ordered else GeneratePatientReply
    message.call = submit_about(simulation, service, user, message_id=message.pk)
    message.save(update_fields=["call"])


def retry_message(simulation_id: int, message_id: int) -> Message:
    """Try a failed question again, at most MAX_RETRIES times, as a new attempt of its call.

    Raises what `post_message` raises, NotRetryable or RetriesUsed, and Message.DoesNotExist.
    """
    with transaction.atomic():
        simulation = Simulation.objects.locked(simulation_id)
        message = Message.objects.select_related("call", "sender").get(pk=message_id, simulation=simulation)
        check_open(simulation)
        if message.delivery_status != Delivery.FAILED or not message.retryable:
            raise NotRetryable("Only a failed message that may succeed on another try can be retried.")
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
        check_open(simulation)
        if simulation.initial_call is None or not simulation.prepare_again():
            raise NotRetryable("Only an opening that failed can be retried.")
        _run_again(simulation.initial_call)
    return simulation


def _run_again(call: ServiceCallRecord) -> None:
    if not try_again(call):
        raise NotRetryable("Its call has not failed. Wait for it, or ask an operator to look at it.")
    transaction.on_commit(wake, robust=True)


def mark_read(simulation: Simulation, up_to: int) -> int:
    """Mark the patient's messages up to this sequence as read; returns how many were unread."""
    unread = Message.objects.filter(simulation=simulation, sequence__lte=up_to, is_read=False)
    return unread.exclude(role=MessageRole.USER).update(is_read=True)


def announce_in_chat(simulation: Simulation, content: str, sender: User | None) -> Message:
    """Post an event as a message of a `locked()` simulation, which everybody sees and the patient knows about."""
    return store_message(
        simulation, sender=sender, role=MessageRole.SYSTEM, message_type=MessageType.EVENT, content=content
    )


def settle_overdue(call_ids: Collection[str] | None = None) -> int:
    """Mark questions and openings as failed whose call ended without a result; returns how many.

    `call_ids` limits it to these calls. The engine's signal triggers this at once; the sweep repeats it for all,
    because a signal is lost with its process.
    """
    questions, openings = Message.objects.overdue(), Simulation.objects.stalled()
    if call_ids is not None:
        questions, openings = questions.filter(call__in=call_ids), openings.filter(initial_call__in=call_ids)
    waiting = [*questions.values_list("simulation_id", flat=True), *openings.values_list("pk", flat=True)]
    return settle_in_groups(waiting, _settle)


def _settle(simulations: Sequence[int]) -> int:
    questions = by_verdict(Message.objects.overdue().filter(simulation__in=simulations))
    failed = sum(
        Message.mark_all_failed(group, code, retryable=retryable) for (code, retryable), group in questions.items()
    )
    return failed + fail_openings(simulations)
