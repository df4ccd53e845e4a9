"""Signal receivers: failed calls, the engine's tick, deleted pictures."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from apps.simulation.models.images import StoredImage
from apps.simulation.services.feedback import settle_feedback
from apps.simulation.services.image_upload import remove_file_with
from apps.simulation.services.lifecycle import end_overdue
from orchestration.signals import calls_gave_no_result, tick


@receiver(calls_gave_no_result, dispatch_uid="simulation.settle_failures")
def settle_failed_calls(*, call_ids: list[str], **_: Any) -> None:
    settle_feedback(call_ids)


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
