"""The components escape what they are given, and say what they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.forms import CharField, Form
from django.template import Context, Template, TemplateSyntaxError

WHEN = datetime(2026, 3, 4, 15, 6, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"


def shown(source: str, **context: object) -> str:
    return Template("{% load design %}" + source).render(Context(context))


@pytest.mark.parametrize(
    "source",
    [
        "{% icon text %}",
        "{% badge text 'good' %}",
        "{% avatar text %}",
        "{% button text variant=text icon=text name=text value=text %}",
        "{% button 'x' href=text %}",
        "{% card text %}{{ text }}{% endcard %}",
        "{% table text %}{{ text }}{% endtable %}",
        "{% dialog 'a' text %}{{ text }}{% enddialog %}",
        "{% menu 'a' text %}{{ text }}{% endmenu %}",
        "{% empty_state text %}{{ text }}{% endempty_state %}",
    ],
)
def test_what_is_given_stays_text(source: str) -> None:
    assert "<script" not in shown(source, text=SCRIPT)


def test_a_badge_has_one_of_the_tones() -> None:
    assert shown("{% badge 'Running' 'good' %}") == '<span class="badge good">Running</span>'
    with pytest.raises(TemplateSyntaxError, match="no tone 'pink'"):
        shown("{% badge 'Running' 'pink' %}")


def test_a_refused_field_names_its_help_and_its_error() -> None:
    class OneField(Form):
        title = CharField(help_text="What it is.")

    html = shown("{% field form.title %}", form=OneField({}))
    assert 'aria-invalid="true"' in html
    described = html.partition('aria-describedby="')[2].partition('"')[0].split()
    assert described
    assert all(f'id="{name}"' in html for name in described)
    assert "This field is required." in html


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "4 Mar 2026, 15:06 UTC"),
        ("day", "4 Mar 2026"),
        ("time", "15:06 UTC"),
        ("zone", "4 Mar 2026, 15:06 UTC"),
    ],
)
def test_a_moment_is_written_in_the_servers_zone(kind: str, text: str) -> None:
    assert shown("{% moment when kind %}", when=WHEN, kind=kind) == (
        f'<time datetime="2026-03-04T15:06:00+00:00" data-moment="{kind}">{text}</time>'
    )
    assert shown("{% moment when kind %}", when=None, kind=kind) == ""


def test_initials_keep_their_colour() -> None:
    html = shown("{% avatar 'Maria del Mar Alvarez' %}")
    assert ">MA<" in html
    assert html == shown("{% avatar 'Maria del Mar Alvarez' %}")
    assert ">?<" in shown("{% avatar '' %}")
