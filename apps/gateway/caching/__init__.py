"""The cache of answers: the same question, or a question that is the same in other words, of the same owner."""

from apps.gateway.caching.answers import AnswerCache, Lookup
from apps.gateway.caching.directives import Directives, read_directives
from apps.gateway.caching.question import Question, question_of
from apps.gateway.caching.store import Hit, NewAnswer, forget_expired, forget_owner, save_answers

__all__ = (
    "AnswerCache",
    "Directives",
    "Hit",
    "Lookup",
    "NewAnswer",
    "Question",
    "forget_expired",
    "forget_owner",
    "question_of",
    "read_directives",
    "save_answers",
)
