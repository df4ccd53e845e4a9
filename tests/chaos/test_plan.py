"""The plan of a chaos run comes from its seed, and from nothing else."""

from __future__ import annotations

import pytest

from chaos.clock import PlanClock
from chaos.options import Options, parse
from chaos.plan import BROKER, DATABASE, FAULTS, PROCESSES, make_plan, marker
from chaos.report import percentile
from orchestration.providers.simulator.faults import parse_faults


def test_a_seed_determines_the_plan():
    assert make_plan(Options(seed=7)) == make_plan(Options(seed=7))
    assert make_plan(Options(seed=7)) != make_plan(Options(seed=8))


def test_a_plan_has_what_was_asked_for():
    plan = make_plan(Options(calls=2000, kills=200, db="postgres", nodes=2))
    kinds = [strike.kind for strike in plan.strikes]
    assert sorted(call.number for call in plan.calls) == list(range(2000))
    assert sum(kind in PROCESSES for kind in kinds) == 200
    assert set(kinds) == {*PROCESSES, BROKER, DATABASE}
    assert {strike.node for strike in plan.strikes} == {0, 1}
    assert 0.28 < sum(bool(call.ordering_key) for call in plan.calls) / 2000 < 0.39
    assert {call.priority for call in plan.calls} == {-10, 0, 10}
    assert {call.fault for call in plan.calls} == {None, *FAULTS}


def test_sqlite_has_no_server_whose_connections_could_be_cut():
    assert DATABASE not in {strike.kind for strike in make_plan(Options(kills=200, db="sqlite")).strikes}


def test_each_planned_fault_is_in_the_script_for_its_call_alone():
    plan = make_plan(Options(calls=300))
    faults = parse_faults(plan.script())
    planned = {marker(call.number): call.fault for call in plan.calls if call.fault}
    assert {fault.contains: fault.kind for fault in faults} == planned
    assert {fault.times for fault in faults} == {1}


@pytest.mark.parametrize(
    "wrong", [["--calls", "0"], ["--kills", "many"], ["--pace", "-1"], ["--pace", "nan"], ["--db", "oracle"]]
)
def test_an_option_that_cannot_be_read_is_refused_by_name(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(wrong)
    assert stopped.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_options_survive_the_way_to_the_run():
    options = Options(calls=3, kills=2, seed=9, db="postgres")
    assert Options.load(options.dump()) == options


def test_the_clock_stands_while_a_strike_waits():
    clock = PlanClock()
    clock.start()
    clock.wait_until(0.1)
    with clock.standing():
        before = clock.now()
        PlanClock().wait_until(0.2)
        assert clock.now() == before
    assert before <= clock.now() < before + 0.1


def test_percentiles():
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.99) == 3.0
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([4, 1, 3, 2], 0.5) == 2
