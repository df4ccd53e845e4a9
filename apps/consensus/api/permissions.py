"""Which run a request is about, and what its caller may do with it. A run that the caller may not see is 404."""

from __future__ import annotations

from uuid import UUID

from apps.accounts.auth import AuthedRequest, check_changeable, require
from apps.accounts.models import User
from apps.accounts.models.roles import Scope
from apps.consensus.models import Run
from apps.consensus.selectors import may_read
from orchestration.api.errors import found


def visible_run(request: AuthedRequest, run_id: UUID) -> Run:
    """ApiError 403 without the scope, 404 for a run that does not exist or is not visible to the caller."""
    return _run_for(require(request, Scope.RUNS_READ).user, run_id)


def changeable_run(request: AuthedRequest, run_id: UUID) -> Run:
    """As `visible_run`, to change it; ApiError 403 when the caller may read it but no more."""
    user = require(request, Scope.RUNS_WRITE).user
    run = _run_for(user, run_id)
    check_changeable(run, user)
    return run


def revisable_run(request: AuthedRequest, run_id: UUID) -> Run:
    """As `changeable_run`, for who may read what was written in it."""
    run = changeable_run(request, run_id)
    require_reading(request, run)
    return run


def require_reading(request: AuthedRequest, run: Run) -> None:
    """ApiError 403 when the caller may see the run, but not read what was written in it."""
    if not may_read(request.auth.user, request.auth.scopes, run):
        require(request, Scope.CONTENT_READ)


def _run_for(user: User, run_id: UUID) -> Run:
    rows = Run.objects.visible_to(user).select_related("prompt_set")
    return found(rows.filter(pk=run_id).first(), "The run does not exist.")
