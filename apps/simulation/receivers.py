"""What a simulation does when the engine says that something happened, or that time has passed."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from apps.simulation.debriefing import settle_feedback
from apps.simulation.images import remove_file_with
from apps.simulation.lifecycle import end_overdue
from apps.simulation.models import StoredImage
from orchestration.signals import ai_response_failed, tick

NAMESPACE = "simcore"


@receiver(ai_response_failed, dispatch_uid="simulation.settle_failure")
def settle_failed_call(*, call_id: str, namespace: str, **_: Any) -> None:
    if namespace == NAMESPACE:
        settle_feedback(call_id=call_id)


@receiver(tick, dispatch_uid="simulation.settle_overdue")
def settle_what_was_missed(**_: Any) -> None:
    settle_feedback()


@receiver(tick, dispatch_uid="simulation.end_overdue")
def end_what_is_over_time(**_: Any) -> None:
    end_overdue()


def remove_its_file(*, instance: StoredImage, **_: Any) -> None:
    remove_file_with(instance)


for _pictures in StoredImage.__subclasses__():  # all are known: this module is read when every model is loaded
    post_delete.connect(remove_its_file, sender=_pictures, dispatch_uid=f"simulation.remove_file.{_pictures.__name__}")
