"""What persistence knows about an object that somebody searches calls for."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.contenttypes.models import ContentType

from orchestration.admin.indexed_search import MOST_FOUND, add_object_finder
from orchestration.values.generic_refs import stored_text
from persistence.models import PersistedObject


@add_object_finder
def calls_that_touched(kinds: Sequence[ContentType], key: str) -> list[str]:
    """Those whose results made or changed it."""
    keys = {stored_text(kind.model_class(), key) for kind in kinds}
    touched = PersistedObject.objects.filter(object_id__in=keys, content_type__in=kinds).order_by("-pk")
    return list(dict.fromkeys(touched.values_list("chunk__call_id", flat=True)[:MOST_FOUND]))
