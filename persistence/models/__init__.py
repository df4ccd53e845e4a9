"""The models of persistence: chunks and the objects they made, the outbox, bulk runs.

What retention remembers, what was erased, and why results are not persisted, is in modules of their own.
"""

import persistence.models.approval
import persistence.models.erasures
import persistence.models.failures
import persistence.models.retention  # noqa: F401 - Django finds models that are imported
from persistence.models.bulk import BulkItem, BulkRun, BulkState
from persistence.models.chunks import ObjectAction, ObjectRole, PersistedChunk, PersistedObject, PersistedPart
from persistence.models.outbox import DrainWake, PersistenceDeath

__all__ = [
    "BulkItem",
    "BulkRun",
    "BulkState",
    "DrainWake",
    "ObjectAction",
    "ObjectRole",
    "PersistedChunk",
    "PersistedObject",
    "PersistedPart",
    "PersistenceDeath",
]
