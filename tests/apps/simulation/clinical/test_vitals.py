"""Vital signs: how they are written, and when they are abnormal."""

from __future__ import annotations

import pytest

from apps.simulation.clinical.vitals import BY_CODE, VITALS, findings_from, vital_named


@pytest.mark.parametrize(
    ("code", "value", "flag"),
    [
        ("hr", "76", "normal"),
        ("hr", "128", "high"),
        ("hr", "31 /min", "critical"),
        ("bp", "120/80", "normal"),
        ("bp", "88 / 54", "low"),
        ("bp", "72/40", "critical"),
        ("rr", "24", "high"),
        ("spo2", "91 %", "low"),
        ("temp", "38,6", "high"),
        ("temp", "40.2 °C", "critical"),
    ],
)
def test_a_value_is_judged_by_the_range_of_an_adult(code: str, value: str, flag: str) -> None:
    assert findings_from({code: value})[0].flag == flag


@pytest.mark.parametrize(
    ("code", "value"),
    [("hr", "fast"), ("hr", "999"), ("bp", "120"), ("bp", "80/120"), ("spo2", "140"), ("temp", "hot"), ("pulse", "70")],
)
def test_what_is_not_a_value_is_refused_with_an_example(code: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"is written as|There is no vital sign"):
        findings_from({code: value})


def test_empty_values_are_left_out_and_names_are_known() -> None:
    assert findings_from({"hr": " ", "temp": "37.2"})[0].line() == "Temperature: 37.2 °C (reference 36-37.7), normal"
    assert [vital_named(name) for name in ("pulse", "BP", "O2 sats", "temp", "T")] == [
        BY_CODE[code] for code in ("hr", "bp", "spo2", "temp", "temp")
    ]
    assert all(vital.flag(vital.usual) == "normal" for vital in VITALS)
