"""Which older version an upgrade starts from, as git has it."""

from __future__ import annotations

import subprocess
from pathlib import PurePosixPath

FROZEN = "tests/frozen_migrations.txt"
"""Since it is there, migrations are not changed: databases of that time become those of today by `migrate`."""
NAME_ONE = "name an older one with BASE=, a tag or a commit (a shallow clone has none: git fetch --unshallow --tags)"


def default_base() -> str:
    """The last tag before this commit, or the first commit with frozen migrations; ValueError without either."""
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    if tag and _is_frozen(tag):
        return tag
    commits = _git("log", "--diff-filter=A", "--format=%H", "--", FROZEN).split()
    if not commits or commits[-1] == _git("rev-parse", "HEAD"):
        raise ValueError(f"there is no older version with frozen migrations before this commit: {NAME_ONE}")
    return commits[-1]


def checked(base: str) -> str:
    """A version that can be upgraded; ValueError says why one cannot."""
    if not _git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"):
        raise ValueError(f"git knows no version {base!r}: {NAME_ONE}")
    if not _is_frozen(base):
        raise ValueError(f"{base} is from before migrations were frozen, and `migrate` upgrades no database of then")
    return base


def introduced(base: str) -> str:
    """What is tried, in a sentence."""
    between = migrations_since(base)
    named = _git("log", "-1", "--format=%h of %cs (%s)", base)
    told = f"From {named} to this version, {len(between)} migration{'' if len(between) == 1 else 's'} later"
    return told if between else f"{told}: no table changes, what is tried is both versions side by side"


def migrations_since(base: str) -> list[str]:
    """`app.name` of the product's migrations that an older version does not have."""
    return sorted(_migrations("HEAD") - _migrations(base))


def _migrations(revision: str) -> set[str]:
    paths = [PurePosixPath(line) for line in _git("ls-tree", "-r", "--name-only", revision).splitlines()]
    return {
        f"{path.parts[-3]}.{path.stem}"
        for path in paths
        if path.match("migrations/0*.py") and path.parts[0] in ("orchestration", "persistence", "apps")
    }


def _is_frozen(revision: str) -> bool:
    return bool(_git("ls-tree", revision, "--", FROZEN))


def _git(*arguments: str) -> str:
    """What git says; nothing when it refuses."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else ""
