"""Which request meets which fault."""

from __future__ import annotations

import pytest

from orchestration.errors import InvalidCall
from orchestration.providers.simulator.faults import KINDS, Fault, Script, parse_faults


def kinds(script: Script, count: int, *, model: str = "gpt-4o-mini", text: str = "") -> list[str]:
    return [script.take(model, [text]).kind for _ in range(count)]


def test_faults_strike_in_order_and_then_all_goes_well() -> None:
    assert kinds(Script([Fault(kind="reset"), Fault(kind="html")]), 3) == ["reset", "html", "ok"]


def test_a_fault_strikes_its_number_of_times_and_zero_is_always() -> None:
    assert kinds(Script([Fault(kind="reset", times=2), Fault(kind="hang", times=0)]), 5) == ["reset"] * 2 + ["hang"] * 3


def test_a_fault_for_a_model_spares_the_others() -> None:
    script = Script([Fault(kind="hang", model="4o")])
    assert kinds(script, 1, model="o3") == ["ok"]
    assert kinds(script, 2) == ["hang", "ok"]


def test_a_fault_for_a_text_spares_the_others() -> None:
    script = Script([Fault(kind="hang", contains="poison")])
    assert kinds(script, 1, text="harmless") == ["ok"]
    assert kinds(script, 1, text="the poison is here") == ["hang"]


def test_the_same_seed_throws_the_same_dice() -> None:
    def thrown(seed: int) -> list[str]:
        return kinds(Script([Fault(kind="server_error", times=0, probability=0.3)], seed=seed), 200)

    assert thrown(1) == thrown(1) != thrown(2)
    assert 30 < thrown(1).count("server_error") < 90


def test_a_script_is_read_from_json() -> None:
    faults = parse_faults([{"kind": "rate_limit", "retry_after": 2, "times": 3}, {"kind": "json", "data": {"a": 1}}])
    assert faults == [Fault(kind="rate_limit", retry_after=2.0, times=3), Fault(kind="json", data={"a": 1})]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"kind": "ok"}, "list"),
        ([{"kind": "explode"}], r"0\.kind"),
        ([{"kind": "ok"}, {"kind": "ok", "tmies": 2}], r"1\.tmies"),
        ([{"kind": "ok", "times": -1}], r"0\.times"),
        ([{"kind": "ok", "probability": 1.5}], r"0\.probability"),
        ([{}], r"0\.kind"),
    ],
)
def test_a_wrong_script_says_what_is_wrong_where(raw: object, named: str) -> None:
    with pytest.raises(InvalidCall, match=named):
        parse_faults(raw)


def test_every_kind_is_listed_once() -> None:
    assert len(KINDS) == len(set(KINDS))
