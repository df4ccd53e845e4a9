"""Searches for whole values, each served by an index: Django's `=field` compares UPPER(field), which none serves."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

from orchestration.values.uuid_keys import parse_uuid


class ExactSearch:
    """For any ModelAdmin: each word of a search is the value of one of the `search_fields`."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for word in smart_split(search_term):
            is_quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
            queryset = queryset.filter(self.matching(unescape_string_literal(word) if is_quoted else word))
        return queryset, False

    def matching(self, word: str) -> Q:
        """The rows that a word finds."""
        mixed: Any = self  # the ModelAdmin
        return reduce(or_, (_holding(mixed.model, name, word) for name in mixed.search_fields))


class UuidSearch:
    """For any ModelAdmin whose `search_fields` are searched for words, which no index serves: a UUID alone is looked up
    by its own."""

    uuid_field = "pk"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if uuid := parse_uuid(search_term.strip()):
            return queryset.filter(**{self.uuid_field: uuid}), False
        searched: Any = super()
        found: tuple[QuerySet[Any], bool] = searched.get_search_results(request, queryset, search_term)
        return found


def _holding(model: type[Model], name: str, word: str) -> Q:
    """The rows with this value in a field; none when the field cannot hold it.

    What `relation__field` names is looked up first: no index serves an OR over two tables.
    """
    name, _, further = name.partition("__")
    field: Any = model._meta.get_field(name)
    if further:
        related = field.related_model
        keys = related._default_manager.filter(_holding(related, further, word)).values_list("pk", flat=True)
        return Q(**{f"{name}__in": list(keys)})
    try:
        return Q(**{name: field.to_python(word)})
    except ValidationError:
        return Q(pk__in=())
