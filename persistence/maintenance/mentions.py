"""Whose name stands in a search: `user:7`, `user 7`, `accounts.user:7`, `user:ada@example.com`, as one types it and as
addresses have it. What a search says of a person in other words, nobody can tell."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

from django.contrib.auth import get_user_model
from django.db.models import F, Model, Q, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import IRegex

from orchestration.values.generic_refs import key_text

BEFORE = r"(^|[^a-z0-9]|%[0-9a-f]{2})"
"""What is not part of a word, or a character that is written as %3A."""
AFTER = r"($|[^a-z0-9_.-])"


def naming(subject: Model, *columns: str) -> Q:
    """The rows of which one of the columns, text or JSON, names an object or a person."""
    pattern, found = _pattern(subject), Q()
    for column in columns:
        found |= Q(IRegex(Cast(F(column), TextField()), pattern))
    return found


def _pattern(subject: Model) -> str:
    meta, key = subject._meta, key_text(type(subject), subject.pk)
    kinds = {str(meta.model_name), str(meta.verbose_name)}
    names = [f"{kind}{between}{key}" for kind in sorted(kinds) for between in (":", " ")]
    if isinstance(subject, get_user_model()) and subject.get_username():
        names.append(subject.get_username())
    written = {re.escape(each) for name in names for each in (name, quote_plus(name))}
    return f"{BEFORE}({'|'.join(sorted(written))}){AFTER}"
