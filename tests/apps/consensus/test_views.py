"""The pages of runs: complaints are sentences, headings have something below them, colours say better and worse."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.consensus.models import PromptSet, Run
from apps.consensus.presentation import diff_shown, reviewer_name, trend
from apps.consensus.workflow.start import Edits, start_revision
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.apps.consensus.reviewing import EXPAND_MARKER, IDEA, blocking, marker, new_run, says, script
from tests.apps.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return person()


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def decided(user: User, *faults: Fault) -> Run:
    run = new_run(user)
    with scripted(*faults):
        drain()
    run.refresh_from_db()
    return run


class Headings(HTMLParser):
    """Headings without anything before the next one of the same level or above."""

    def __init__(self) -> None:
        super().__init__()
        self.empty: list[str] = []
        self._open: tuple[int, str] | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if re.fullmatch("h[1-6]", tag):
            level = int(tag[1])
            if self._open and self._open[0] >= level:
                self.empty.append(self._open[1].strip())
            self._open, self._inside = (level, ""), True

    def handle_endtag(self, tag: str) -> None:
        if re.fullmatch("h[1-6]", tag):
            self._inside = False
        elif tag in {"main", "section", "article"} and self._open:
            self.empty.append(self._open[1].strip())
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._inside and self._open:
            self._open = (self._open[0], self._open[1] + data)
        elif data.strip():
            self._open = None


def empty_headings(html: str) -> list[str]:
    parser = Headings()
    parser.feed(html[html.index("<main") : html.index("</main>")])
    return parser.empty


def test_the_test_sees_empty_headings() -> None:
    html = "<main><h1>A</h1><h2>B</h2><h2>C</h2><p>c</p><section><h2>D</h2></section><h2>E</h2><h3>F</h3>f</main>"
    assert empty_headings(html) == ["B", "D"]


def test_no_heading_is_empty(user: User, client: Client) -> None:
    bare = says("critic", 0.9, strengths=[], recommendations=[], dependency_risks=[])
    run = new_run(user)
    pages = [client.get(f"/consensus/runs/{run.pk}"), client.get("/consensus/"), client.get("/consensus/new")]
    plain = Fault(
        kind="json",
        data={"title": "T", "summary": "S", "problem_statement": "P", "proposed_solution": "Q",
              "assumptions": [], "scope_non_goals": []},
        contains=EXPAND_MARKER,
    )  # fmt: skip
    with scripted(plain, *script(critic=bare)[1:]):
        drain()
    edits = Edits(edited_proposal={"assumptions": ["One.", "Two."]}, edit_notes="Why not.")
    revision, _ = start_revision(user, Run.objects.get(pk=run.pk), edits)
    with scripted(*script()):
        drain()
    second = Edits(edited_proposal={"assumptions": ["Two.", "One."]}, edit_notes="In another order.")
    again, _ = start_revision(user, Run.objects.get(pk=revision.pk), second)
    with scripted(*script()):
        drain()
    places = [f"runs/{run.pk}", f"runs/{run.pk}/diff/{revision.pk}", f"runs/{revision.pk}/diff/{again.pk}",
              f"runs/{revision.pk}/revise"]  # fmt: skip
    pages += [client.get(f"/consensus/{place}") for place in places]
    assert [empty_headings(page.content.decode()) for page in pages] == [[]] * len(pages)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"idea": "One. " * 11}, "Your idea must have 1 to 10 sentences, it has 11."),
        ({"idea": "x" * 10_001}, "Your idea must have at most 10,000 characters."),
        ({"idea": "?!"}, "Your idea must have 1 to 10 sentences, it has 0."),
        ({"idea": IDEA, "extra_context": "x" * 50_001}, "Context must have at most 50,000 characters, it has 50,001."),
    ],
)
def test_what_is_wrong_with_an_idea_is_a_sentence(client: Client, fields: dict[str, str], told: str) -> None:
    page = client.post("/consensus/new", {"priority": "normal", **fields})
    assert (page.status_code, told in page.content.decode()) == (422, True)


def test_what_is_wrong_with_a_revision_is_told_once(user: User, client: Client) -> None:
    run = decided(user, *script())
    proposal = run.proposal.expanded_proposal_json
    unchanged = {name: "\n".join(value) if isinstance(value, list) else value for name, value in proposal.items()}
    place = f"/consensus/runs/{run.pk}/revise"
    same = client.post(place, unchanged).content.decode()
    assert "Nothing has been changed." in same
    long = client.post(place, {**unchanged, "summary": "x" * 50_001}).content.decode()
    assert long.count("Summary must have at most 50,000 characters.") == 1
    assert "valid string" not in long
    assert "Title must not be empty." in client.post(place, {**unchanged, "title": " "}).content.decode()


def test_a_failure_says_what_failed_in_words(user: User, client: Client, settings: Any) -> None:
    broken = Fault(kind="refusal", contains=marker("security_guardian"), times=0)
    run = decided(user, *script(security_guardian=broken))
    assert run.status == "failed"
    html = client.get(f"/consensus/runs/{run.pk}").content.decode()
    assert "Review: Security guardian</strong> failed" in html
    assert "The model refused to answer." in html
    assert "REFUSED" not in html
    assert "review_security_guardian</strong>" not in html


def test_colours_say_better_and_worse(user: User, client: Client) -> None:
    parent = decided(user, *script(critic=says("critic", 0.5, blocking_issues=blocking("It is slow."))))
    revision, _ = start_revision(user, parent, Edits(edit_notes="Make it fast."))
    worse = says("critic", 0.4, blocking_issues=blocking("It is dear."))
    with scripted(*script(critic=worse)):
        drain()
    shown = diff_shown(parent, Run.objects.get(pk=revision.pk))
    critic = next(row for row in shown["reviewers"] if row["name"] == "Critic")
    assert (critic["trend"], critic["resolved"], critic["raised"]) == ("worse", ["It is slow."], ["It is dear."])
    html = client.get(f"/consensus/runs/{parent.pk}/diff/{revision.pk}").content.decode()
    assert '<span class="worse">▼ 0.10 worse</span>' in html
    assert re.search(r'class="better"><strong>Resolved:</strong> It is slow', html)
    assert re.search(r'class="worse"><strong>New:</strong> It is dear', html)
    back = client.get(f"/consensus/runs/{revision.pk}/diff/{parent.pk}").content.decode()
    assert '<span class="better">▲ 0.10 better</span>' in back
    assert (trend("0.0000"), trend(None)) == ("same", "")


def test_scores_are_coloured_by_the_thresholds_of_their_run(user: User, client: Client) -> None:
    PromptSet.objects.update(approve_threshold="0.95", revise_threshold="0.50")
    run = decided(user, *script())
    meters = re.findall(r"<meter[^>]*>", client.get(f"/consensus/runs/{run.pk}").content.decode())
    assert len(meters) == 5
    assert all('low="0.5000" high="0.9500"' in meter for meter in meters), meters


def test_reviewers_have_names_for_people() -> None:
    assert [reviewer_name(name) for name in ("SecurityGuardian", "Critic", "Dr. No")] == [
        "Security guardian",
        "Critic",
        "Dr. No",
    ]
