"""Migrations are frozen: databases were made by them. A change of a table is a new migration."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from django.db.migrations.loader import MigrationLoader

from tests.migration_rules import problems

ROOT = Path(__file__).resolve().parent.parent
FROZEN = Path(__file__).with_name("frozen_migrations.txt")
PACKAGES = ("orchestration", "persistence", "apps")
CHECKED_UNDER_A_LOCK = {
    "apps/simulation/migrations/0002_case_details_and_rubric.py",
    "apps/trainerlab/migrations/0002_case_details.py",
}
"""Frozen before it was known that the check of a positive number reads all rows; their tables are small."""
SEVERAL_TABLES = {
    "orchestration/migrations/0008_format_versions.py",
    "persistence/migrations/0007_format_versions.py",
    "persistence/migrations/0010_erasure.py",
    "apps/simulation/migrations/0002_case_details_and_rubric.py",
}
"""Frozen before an upgrade under load ended in a deadlock: what it rolled back, the next `migrate` applies."""


def digests() -> dict[str, str]:
    """By path: the first 16 digits of the SHA-256 of every migration of the product."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("migrations/0*.py"))
    return {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]
        for path in paths
    }


def test_no_migration_is_changed_and_every_new_one_is_noted():
    frozen = dict(reversed(line.split()) for line in FROZEN.read_text().splitlines() if not line.startswith("#"))
    present = digests()
    changed = [path for path, digest in frozen.items() if present.get(path) != digest]
    assert not changed, f"databases were made by these, write a new migration instead: {changed}"
    lines = "\n".join(f"{digest} {path}" for path, digest in present.items() if path not in frozen)
    assert not lines, f"add to {FROZEN.name}:\n{lines}"


def test_new_migrations_lock_no_table_and_break_no_version():
    """Those that are older than the rules stand above the comment in the list."""
    older = FROZEN.read_text().partition("#")[0]
    loader, seen, refused = MigrationLoader(None), set(), []
    for key, migration in sorted(loader.disk_migrations.items()):
        path = Path(sys.modules[migration.__module__].__file__)
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        if name in digests():
            seen.add(name)
        if name in digests() and name not in older:
            found = problems(migration, loader.project_state(key, at_end=False))
            known = {"constraint": CHECKED_UNDER_A_LOCK, "tables": SEVERAL_TABLES}
            refused += [f"{name}: {problem}" for problem in found if name not in known.get(problem.rule, ())]
    assert seen == set(digests())
    assert not refused, "\n".join(refused)
