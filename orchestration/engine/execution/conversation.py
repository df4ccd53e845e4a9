"""What was said so far in a call whose model asks for tools.

Each request that follows a turn stores only what is new; the rest is with the requests, answers and runs of tools
before it, from which a worker that takes the call over reads the conversation again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.engine.execution.validation import answer_at_rest
from orchestration.errors import CallError
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.tool_runs import ToolRun, ToolRunStatus
from orchestration.providers.base import ProviderResponse
from orchestration.providers.turns import asking_turn, result_turn
from orchestration.types import JsonObject, Message, Usage

PURGED = "content_purged"


@dataclass(slots=True)
class Conversation:
    """The turns up to the next request."""

    first: AIRequestAudit
    """It has the tools and the schema of all that follow."""
    messages: list[Message] = field(default_factory=list)
    """What precedes a request that continues, in full."""
    turns: int = 0
    """Answers that asked for tools."""
    errors: int = 0
    """Runs of tools that failed."""
    repair: int = 0
    """The highest number of a request in this attempt."""
    usage: Usage = field(default_factory=Usage)
    """Of the answers that were read again."""
    unread: dict[int, list[ToolRun]] = field(default_factory=lambda: defaultdict(list))
    """By request: runs that another worker began, in order."""
    opens_attempt: bool = False
    """The next request is a new attempt: the former one failed."""

    def take(self, request: AIRequestAudit, answer: ProviderResponse, runs: Sequence[ToolRun]) -> None:
        """Add a turn: a request, the answer that asked for tools, and what came of those."""
        calls: list[JsonObject] = [
            {**asked, "id": run.provider_call_id} for asked, run in zip(answer.tool_calls, runs, strict=False)
        ]
        if request.continues_id is None:
            self.first, self.messages = request, []
        self.messages += request.messages
        self.messages.append(asking_turn(answer.text, calls, surface=request.surface, raw=answer.raw))
        for call, run in zip(calls, runs, strict=True):
            failed = run.status == ToolRunStatus.FAILED
            self.messages.append(result_turn(call, run.content(), is_error=failed))
            self.errors += failed
        self.turns += 1
        self.repair = max(self.repair, request.repair)


def full_messages(request: AIRequestAudit) -> list[Message]:
    """What was sent with a request, whole. A few queries for one that continues others, none for any other."""
    if request.continues_id is None or request.call is None:
        return list(request.messages)
    return [*read(request.call, request).messages, *request.messages]


def read(record: ServiceCallRecord, last: AIRequestAudit) -> Conversation:
    """The conversation before `last`, a request of this call, as the rows have it.

    CallError `content_purged` when retention has taken it.
    """
    rows = {row.pk: row for row in AIRequestAudit.objects.filter(call=record).select_related("response_audit")}
    chain = [last]
    while chain[0].continues_id is not None:
        chain.insert(0, rows[chain[0].continues_id])
    if len(chain) > 1 and not chain[0].messages:
        raise CallError("What was said in this call was purged, so it cannot continue; rerun it.", code=PURGED)
    found = Conversation(first=chain[0])
    for run in ToolRun.objects.filter(call=record).order_by("request", "position"):
        found.unread[run.request_id].append(run)
    for request in chain[:-1]:
        found.take(request, answer_at_rest(_answer(request)), found.unread[request.pk])
        found.usage += _answer(request).usage
    found.repair = max((row.repair for row in rows.values() if row.attempt == last.attempt), default=0)
    return found


def _answer(request: AIRequestAudit) -> AIResponseAudit:
    return request.response_audit


def last_turn(record: ServiceCallRecord) -> AIRequestAudit | None:
    """The last request whose answer asked for tools that were run, or begun; None when there is none."""
    asked = ToolRun.objects.filter(call=record, request__outcome=Outcome.ANSWERED)
    run = asked.select_related("request__response_audit").order_by("request__attempt", "request__repair").last()
    return None if run is None else run.request
