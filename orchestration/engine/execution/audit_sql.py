"""The statements of a group commit, written by hand for PostgreSQL: they run for every call.

There the rows of a batch are one JSON parameter, and what belongs to the rows of another table is written with them in
one round trip. On SQLite, which has no round trips, the ORM writes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import connection
from django.db.models import F

from orchestration.content.uses import add_uses
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.models.prepared_sql import as_recordset, cursor_for_many, insertion, recordset
from orchestration.values.content_parts import has_media, references_in

RUNNING = "status || '' = 'running'"
"""As no partial index knows it: the rows are to be found by their keys, however old the statistics are."""


def lock_running(call_ids: Collection[str]) -> list[tuple[str, int]]:
    """(id, lease token) of those of these calls that run, locked in one order until the commit (PostgreSQL)."""
    with cursor_for_many() as cursor:
        cursor.execute(
            f"SELECT id, lease_token FROM service_call_record WHERE id = ANY(%s) AND {RUNNING}"  # noqa: S608 - constant
            " ORDER BY id FOR NO KEY UPDATE",
            [list(call_ids)],
        )
        found: list[tuple[str, int]] = cursor.fetchall()
    return found


def insert_requests(audits: Sequence[AIRequestAudit]) -> None:
    """Insert new audits, which get their keys, and count the attempts that they open."""
    if not audits:
        return
    _insert_requests(audits)
    with_media = [audit for audit in audits if has_media(audit.messages)]
    if with_media:
        add_uses([("request", audit.pk, references_in(audit.messages)) for audit in with_media], strict=False)


def _insert_requests(audits: Sequence[AIRequestAudit]) -> None:
    if connection.vendor != "postgresql":
        AIRequestAudit.objects.bulk_create(audits)
        attempts = [audit.call_id for audit in audits if not audit.repair]
        ServiceCallRecord.objects.filter(pk__in=attempts).update(attempts=F("attempts") + 1)
        return
    new = insertion(audits)
    with cursor_for_many() as cursor:
        cursor.execute(
            f"WITH opened AS ({new.sql} RETURNING id, call_id, attempt, repair), counted AS ("  # noqa: S608 - constants
            "UPDATE service_call_record AS c SET attempts = c.attempts + 1 FROM opened"
            " WHERE c.id = opened.call_id AND opened.repair = 0) SELECT call_id, attempt, repair, id FROM opened",
            new.params,
        )
        keys = {tuple(found): key for *found, key in cursor.fetchall()}
    for audit in audits:
        audit.pk = keys[audit.call_id, audit.attempt, audit.repair]
        audit._state.adding = False


def insert_answers(answers: Sequence[tuple[AIResponseAudit, Outcome]]) -> None:
    """Insert new audits, which get their keys, and settle the requests that they answer."""
    audits = [audit for audit, _ in answers]
    if connection.vendor != "postgresql":
        AIResponseAudit.objects.bulk_create(audits)
        for outcome in {outcome for _, outcome in answers}:
            requests = [audit.ai_request_id for audit, each in answers if each == outcome]
            AIRequestAudit.objects.filter(pk__in=requests).settle(outcome)
        return
    new = insertion(audits)
    names = ("request", "outcome")
    settled = recordset([("request", "bigint"), ("outcome", "text")])
    with cursor_for_many() as cursor:
        cursor.execute(
            f"WITH stored AS ({new.sql} RETURNING id, ai_request_id), settled AS ("  # noqa: S608 - constants
            f"UPDATE ai_request_audit AS r SET outcome = v.v_outcome FROM {settled}"
            " WHERE r.id = v.v_request AND r.outcome || '' = 'pending') SELECT ai_request_id, id FROM stored",
            [*new.params, as_recordset(names, [(audit.ai_request_id, outcome.value) for audit, outcome in answers])],
        )
        keys = dict(cursor.fetchall())
    for audit in audits:
        audit.pk = keys[audit.ai_request_id]
        audit._state.adding = False
