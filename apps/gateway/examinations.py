"""What the doctor looks at of the gateway: its encryption keys, and requests of dead processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from apps.gateway.conf import gateway_settings
from apps.gateway.crypto import HOW_TO, read_keyring
from apps.gateway.maintenance.key_rotation import COLUMNS
from apps.gateway.maintenance.orphan_requests import longest
from apps.gateway.models import Interaction
from orchestration.clock import database_now
from orchestration.doctor.examinations import Examination, fact

LATE = timedelta(minutes=2)


def encryption() -> Iterator[CheckMessage]:
    """E011: no usable key. E012: records of a key that is not there."""
    try:
        ring = read_keyring()
    except ImproperlyConfigured as error:
        yield Error(str(error).removesuffix(HOW_TO).strip(), hint=HOW_TO, id="gateway.E011")
        return
    lost: dict[str, int] = {}
    for model in COLUMNS:
        foreign = model._default_manager.exclude(key_id__in=ring.key_ids).order_by()
        for key_id in foreign.values_list("key_id", flat=True).distinct():
            lost[key_id] = lost.get(key_id, 0) + foreign.filter(key_id=key_id).count()
    for key_id, count in sorted(lost.items()):
        yield Error(
            f"{count} records are encrypted with the key {key_id}, which is not among the gateway's keys.",
            hint="Put it back from the backup of the keys, behind the first one. If it is lost, so are they:"
            " `manage.py rotate_encryption --discard` deletes them, and keeps figures and costs.",
            id="gateway.E012",
        )
    yield fact(f"{len(ring.key_ids)} keys, {ring.current} encrypts")


def requests() -> Iterator[CheckMessage]:
    """E013: requests that no sweep settles."""
    before = database_now() - longest(gateway_settings()) - LATE
    left = Interaction.objects.in_flight().filter(timestamp__lt=before).count()
    if left:
        yield Error(
            f"{left} requests to the gateway are in flight for longer than any can be: their keys' budgets stay"
            " reserved.",
            hint="Start a node of the default cluster, whose schedule `gateway sweep` settles them.",
            id="gateway.E013",
        )
    yield fact("none forgotten")


EXAMINATIONS = (
    Examination(topic="gateway keys", look=encryption),
    Examination(topic="gateway", look=requests),
)
