"""Which older version `make upgrade-test` takes, and what it says when there is none."""

import subprocess

import pytest

from chaos.upgrade.base import FROZEN, checked, default_base, introduced, migrations_since


@pytest.fixture
def commit(tmp_path, monkeypatch):
    """In an empty repository, `commit(*paths, tag="")` makes a commit that adds files."""
    monkeypatch.chdir(tmp_path)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    git("init", "--quiet")

    def make(*paths, tag=""):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("x")
        git("add", ".")
        git("commit", "--quiet", "--allow-empty", "--message", f"adds {len(paths)}")
        if tag:
            git("tag", tag)
        return git("rev-parse", "HEAD")

    return make


def git(*arguments):
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_last_tag_before_this_commit_is_taken(commit):
    commit(FROZEN, tag="v1")
    commit(tag="v2")
    assert default_base() == "v1"  # not this version itself
    commit()
    assert default_base() == "v2"


def test_a_tag_from_before_the_freeze_is_not_taken(commit):
    commit("orchestration/migrations/0001_initial.py", tag="v0")
    frozen = commit(FROZEN)
    commit()
    assert default_base() == frozen
    with pytest.raises(ValueError, match="before migrations were frozen"):
        checked("v0")


def test_a_history_without_an_older_version_says_what_to_give(commit):
    commit(FROZEN, tag="v1")  # all of it in one commit
    with pytest.raises(ValueError, match=r"no older version .* BASE=, a tag or a commit"):
        default_base()
    with pytest.raises(ValueError, match=r"git knows no version 'no-such-tag'.* BASE="):
        checked("no-such-tag")
    assert checked("v1") == "v1"


def test_migrations_in_between_are_named(commit):
    commit(FROZEN, "orchestration/migrations/0001_initial.py", tag="v1")
    assert "0 migrations later: no table changes" in introduced("v1")
    commit("orchestration/migrations/0002_more.py", "apps/gateway/migrations/0001_initial.py", "tests/migrations/01.py")
    assert migrations_since("v1") == ["gateway.0001_initial", "orchestration.0002_more"]
    assert introduced("v1").endswith("to this version, 2 migrations later")
