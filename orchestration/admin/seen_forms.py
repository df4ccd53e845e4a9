"""Forms that put nothing in the place of what their author has not seen: two people may have the same page open."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NoReturn

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model

from orchestration.theme.words import exact
from orchestration.values.generic_refs import admin_path


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A form that knows what was there when it was opened: `base`, a hidden field."""

    base: Any = forms.CharField(required=False, widget=forms.HiddenInput)

    def refuse_unseen(self, now: object, done: str, where: str) -> NoReturn:
        """Raise ValidationError with what somebody has `done`, and `where` one can look at it; sent again, with what is
        there `now`, it is meant so."""
        sent: Any = self.data
        self.data = sent = sent.copy()
        sent[self.add_prefix("base")] = str(now)
        raise ValidationError(
            f"{done}, while you wrote this one. Look at {where} first; save again to put yours in its place."
        )


class SeenRowForm(SeenForm):
    """Of a row that is edited in place, with the rows that are edited on its page. Saved in a transaction, as Django's
    admin does, in which the row is locked."""

    @staticmethod
    def parts(row: Any) -> Iterable[Model]:
        """Those rows."""
        return ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "base" in self.fields:
            self.initial["base"] = self._state(self.instance)

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        base, row = cleaned.get("base"), self.instance
        stored = type(row)._base_manager.select_for_update().filter(pk=row.pk).first() if base else None
        now = self._state(stored) if stored is not None else base
        if now != base:
            self.refuse_unseen(
                now, _last_done(row), admin_path(f"{row._meta.label_lower.replace('.', '_')}_change", row.pk)
            )
        return cleaned

    def _state(self, row: Model) -> str:
        """A digest of all that the page would replace."""
        rows = [row, *sorted(self.parts(row), key=_key)]
        values = [[field.value_to_string(each) for field in each._meta.concrete_fields] for each in rows]
        return sha256(repr(values).encode()).hexdigest()[:16]


def _key(row: Model) -> Any:
    return row.pk


def _last_done(row: Model) -> str:
    """Who saved it last, as far as the admin's history knows."""
    kind = ContentType.objects.get_for_model(row)
    last = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk)).select_related("user").first()
    return "Somebody changed it" if last is None else f"{last.user} saved it at {exact(last.action_time)}"
