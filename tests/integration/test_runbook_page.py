"""docs/operations.md has for each trouble what a runbook needs, names findings that exist, and each is played."""

from __future__ import annotations

from pathlib import Path

from tests.integration.runbooks import PARTS, runbooks

OF_THE_PAGE = runbooks()
SEVEN_MORE = {
    "The backlog grows",
    "The provider is down",
    "Dead letters",
    "Unknown attempts",
    "A bad deploy",
    "A lost encryption key",
    "Restoring a day",
}


def test_every_runbook_has_its_parts_and_is_played():
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_runbook*.py"))
    for title, runbook in OF_THE_PAGE.items():
        assert tuple(runbook.parts) == PARTS, title
        assert source.count(f'"{title}"') > (title in SEVEN_MORE), f"no test plays {title}"
    assert SEVEN_MORE | {"The disk is full"} == set(OF_THE_PAGE)


def test_the_findings_that_the_page_names_exist():
    source = "".join(
        path.read_text() for app in ("orchestration", "persistence", "apps/gateway") for path in Path(app).rglob("*.py")
    )
    named = {finding for runbook in OF_THE_PAGE.values() for finding in runbook.findings}
    assert len(named) > 10
    assert [finding for finding in sorted(named) if f'"{finding}"' not in source] == []
