"""What a bulk run is asked for over REST: which calls, and with which options of the operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.module_loading import import_string

from orchestration.api.errors import ApiError
from orchestration.api.filters import filtered
from orchestration.api.schemas import CallSelection
from orchestration.models import ServiceCallRecord
from orchestration.models.call_querysets import ServiceCallQuerySet
from orchestration.operations import Operation, operations
from orchestration.types import JsonObject
from orchestration.values.generic_refs import key_of

ASKED_OVER_REST = "asked over REST"
"""In the stored filter of a run: the selection as REST has it."""
NAMED = 10
"""Keys that an error names."""


def operation_called(name: str) -> Operation:
    """The operation with this name in addresses; ApiError 422 when there is none."""
    found = next((each for each in operations() if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in operations())
        raise ApiError(422, "unknown_operation", f"There is no operation {name[:64]!r}; there are {known}.")
    return found


def form_of(operation: Operation) -> type[forms.Form]:
    """What asks for the options of an operation; a form without fields when it has none."""
    return import_string(operation.form) if operation.form else forms.Form


def stored_options(form: forms.Form) -> JsonObject:
    """The options of a form that is valid, without those that were left empty."""
    return {key: value for key, value in form.cleaned_data.items() if value not in (None, "", False)}


def checked_options(operation: Operation, given: JsonObject) -> JsonObject:
    """The options as a run stores them, checked by the form that asks for them in the console; what is left out is as
    there. ApiError 422 names what is wrong with which."""
    form_class = form_of(operation)
    fields: dict[str, forms.Field] = form_class.base_fields
    unknown = sorted(set(given) - set(fields))
    if unknown:
        known = ", ".join(fields) or "none"
        message = (
            f"{operation.title} has no option {', '.join(name[:64] for name in unknown[:NAMED])}; it has: {known}."
        )
        raise ApiError(422, "unknown_option", message)
    wrong = {
        name: ["Write true or false." if isinstance(fields[name], forms.BooleanField) else "Write a text or a number."]
        for name, value in given.items()
        if isinstance(value, bool) != isinstance(fields[name], forms.BooleanField) and value is not None
    }
    initial = {name: field.initial for name, field in fields.items() if field.initial is not None}
    form = form_class({**initial, **{name: value for name, value in given.items() if value is not None}})
    if wrong or not form.is_valid():
        found = wrong or {name: [str(each) for each in errors] for name, errors in form.errors.items()}
        raise ApiError(422, "invalid_options", "The options are not valid; see details.", {"options": found})
    return stored_options(form)


def selected_calls(user: Any, keys: Sequence[str]) -> ServiceCallQuerySet:
    """These calls, oldest first; ApiError 422 when some are not there, or not to be seen by this person."""
    wanted = {key for key in (key_of(ServiceCallRecord, text) for text in keys) if key is not None}
    rows = ServiceCallRecord.objects.visible_to(user).filter(pk__in=wanted)
    found = set(rows.values_list("pk", flat=True))
    missing = [text for text in dict.fromkeys(keys) if text not in found]
    if missing:
        message = f"There are no such calls for you, {len(missing)} of {len(set(keys))}; see details."
        raise ApiError(422, "unknown_calls", message, {"count": len(missing), "calls": missing[:NAMED]})
    return rows.order_by("created_at", "pk")


def matching_calls(user: Any, wanted: CallSelection) -> ServiceCallQuerySet:
    """The calls that match now, of those that this person may see, oldest first."""
    return filtered(ServiceCallRecord.objects.visible_to(user), wanted).order_by("created_at", "pk")


def matching_again(user: Any, stored: JsonObject) -> ServiceCallQuerySet | None:
    """The calls that the stored filter of a run matches now; None when it was not asked for over REST, or by a version
    that wrote filters in another way."""
    wanted = stored.get(ASKED_OVER_REST)
    if not isinstance(wanted, dict):
        return None
    try:
        return matching_calls(user, CallSelection(**wanted))
    except (ValueError, ApiError):
        return None
