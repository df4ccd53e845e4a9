"""Who gets which answer, at every address, is what the tables beside this file say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.throttle import Window
from tests.matrix.asking import answers, refused_before_reading
from tests.matrix.endpoints import names, tables
from tests.matrix.world import ACTORS, World

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
HERE = Path(__file__).parent
WRITES = os.environ.get("MATRIX") == "write"
"""Write the tables as things are; then read the difference, line by line."""
HEADER = f"# {' '.join(ACTORS)} [scopes of keys that get in]\n"


@pytest.fixture(autouse=True)
def unhurried(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is slowed down, pictures go elsewhere, and no answer is somebody else's bug that is raised here."""
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(Window, "hit", lambda *_: 0)


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_every_endpoint_answers_as_its_row_says(name: str) -> None:
    world, file = World(), HERE / f"{name}.txt"
    asked = {str(endpoint): answers(world, endpoint) for endpoint in tables()[name]}
    found = {endpoint: row for endpoint, row in asked.items() if row is not None}
    if WRITES:
        file.write_text(HEADER + "".join(f"{endpoint} | {row}\n" for endpoint, row in found.items()))
        return
    compare(name, read(file), found)


def test_every_endpoint_has_a_row() -> None:
    """Who gets in where is tried by `make test-long`; that somebody looked at a new address is seen at once."""
    world = World()
    assert sorted(tables()) == sorted(names())
    for name, endpoints in tables().items():
        rows = read(HERE / f"{name}.txt")
        unknown = [endpoint for endpoint in endpoints if str(endpoint) not in rows]
        found = {str(endpoint): row for endpoint in unknown if (row := answers(world, endpoint)) is not None}
        compare(name, rows, found, whole=False)


def compare(name: str, expected: dict[str, str], found: dict[str, str], *, whole: bool = True) -> None:
    """Fails with what to do about it when the table and the answers differ; `whole`: of all endpoints."""
    unknown = sorted(set(found) - set(expected))
    assert not unknown, (
        f"{len(unknown)} endpoints have no row in tests/matrix/{name}.txt, which says who gets in. Add for each a line"
        " like these, after you looked whether every answer is right (README.md there says who is who):\n"
        + "\n".join(f"{endpoint} | {found[endpoint]}" for endpoint in unknown)
    )
    gone = sorted(set(expected) - set(found)) if whole else []
    assert not gone, f"Nothing answers at these; take their rows out of tests/matrix/{name}.txt: {gone}"
    others = [
        f"{endpoint}\n  the table says {expected[endpoint]}\n  the answers are {row}"
        for endpoint, row in found.items()
        if row != expected[endpoint]
    ]
    assert not others, f"Who gets in is not what tests/matrix/{name}.txt says:\n" + "\n".join(others)


def test_an_endpoint_without_a_row_fails_with_what_to_add() -> None:
    rows = {"GET /old": "401 200"}
    compare("rest", rows, rows)
    with pytest.raises(AssertionError, match=r"no row in tests/matrix/rest.txt(.|\n)*GET /new \| 401 403"):
        compare("rest", rows, {**rows, "GET /new": "401 403"})
    with pytest.raises(AssertionError, match="take their rows out of"):
        compare("rest", {**rows, "GET /gone": "404 404"}, rows)
    with pytest.raises(AssertionError, match=r"the table says 401 200\s+the answers are 200 200"):
        compare("rest", rows, {"GET /old": "200 200"})


def test_no_endpoint_breaks_and_no_trainee_reads_anothers() -> None:
    """What must hold in every table, whoever wrote its lines."""
    for name in tables():
        for endpoint, row in read(HERE / f"{name}.txt").items():
            answer = dict(zip(ACTORS, row.split(), strict=False))
            assert "500" not in answer.values(), endpoint
            assert answer["flagged"] == answer["other"] or "/admin" in endpoint or endpoint.endswith(" /"), endpoint
            if "{simulation_id}" in endpoint or "{run_id}" in endpoint or "{call_id}" in endpoint:
                assert answer["other"] in {"403", "404", "signin"}, endpoint
            if endpoint.startswith("ACTION"):
                assert answer["viewer"] != "offered" or "=export" in endpoint, endpoint
            if name.startswith("admin") and endpoint.split("/")[2] not in {"login", "logout"}:
                assert {answer[who] for who in ACTORS[:5]} == {"signin"}, endpoint


DEPENDS_ON_ITS_FORM = {("POST /api/v1/simulations/{simulation_id}/images", who) for who in ("author", "instructor")}
DEPENDS_ON_ITS_FORM |= {("POST /api/v1/simulations/{simulation_id}/images", "operator")}
"""They may add a picture that is hidden, and no other."""


def test_a_refused_request_says_nothing_about_its_content() -> None:
    """403 and 404 come before 400 and 422, wherever the answer to a right request depends on a row or on a scope."""
    world, rows, wrong = World(), read(HERE / "rest.txt"), {}
    for endpoint in tables()["rest"]:
        expected = dict(zip(ACTORS, rows[str(endpoint)].split(), strict=False))
        if "{" not in endpoint.route:  # 404 is then about the body
            expected = {actor: answer for actor, answer in expected.items() if answer != "404"}
        for actor in ACTORS:
            if (str(endpoint), actor) in DEPENDS_ON_ITS_FORM:
                del expected[actor]
        if "/auth/" not in endpoint.route and (told := refused_before_reading(world, endpoint, expected)):
            wrong[str(endpoint)] = told
    assert not wrong, f"Name the row of these in `needs(…, row=…)`: {wrong}"


def read(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines() if file.exists() else []
    rows = (line.partition(" | ") for line in lines if not line.startswith("#"))
    return {endpoint: row for endpoint, _, row in rows}
