"""The answer cache: for the same question, or the same question in other words, of the same owner."""

from apps.gateway.cache.cache_control import read_directives
from apps.gateway.cache.key import is_comparable, question_of
from apps.gateway.cache.lookup import AnswerCache, Lookup
from apps.gateway.cache.saver import AnswerSaver
from apps.gateway.cache.store import Hit, NewAnswer, Search, forget_owner

__all__ = [
    "AnswerCache",
    "AnswerSaver",
    "Hit",
    "Lookup",
    "NewAnswer",
    "Search",
    "forget_owner",
    "is_comparable",
    "question_of",
    "read_directives",
]
