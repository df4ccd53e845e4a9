"""Vital signs: which there are, how their values are written, and when they are abnormal in an adult."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from apps.simulation.clinical.words import stems
from apps.simulation.models.cases import Finding, Flag

if TYPE_CHECKING:
    from apps.simulation.models import SimulationMetadata

Code = Literal["hr", "bp", "rr", "spo2", "temp"]
NUMBER = re.compile(r"\d{1,3}(?:[.,]\d)?")
PRESSURE = re.compile(r"(\d{2,3})\s*/\s*(\d{2,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vital:
    """One vital sign. `low` and `high` bound what is normal, the outer pair what is not yet critical."""

    code: Code
    label: str
    short: str
    unit: str
    low: float
    high: float
    lowest: float
    highest: float
    most: float
    """No living patient has more."""
    usual: str
    synonyms: str
    written: str
    """How a value is written, for the refusal of another."""

    @property
    def reference(self) -> str:
        return "90-140 / 60-90" if self.code == "bp" else f"{self.low:g}-{self.high:g}"

    def number(self, value: str) -> float | None:
        """What is compared with the bounds: of a blood pressure the systolic one. None when `value` cannot be read."""
        text = value.strip().removesuffix(self.unit).removesuffix("%").removesuffix("C").removesuffix("°").strip()
        if self.code == "bp":
            found = PRESSURE.fullmatch(text)
            pair = (float(found[1]), float(found[2])) if found else None
            return pair[0] if pair and pair[1] < pair[0] <= self.most else None
        if not NUMBER.fullmatch(text):
            return None
        number = float(text.replace(",", "."))
        return number if number <= self.most else None

    def flag(self, value: str) -> Flag:
        """`normal` for what is not a number, too."""
        number = self.number(value)
        if number is None:
            return "normal"
        if number < self.lowest or number > self.highest:
            return "critical"
        return "low" if number < self.low else "high" if number > self.high else "normal"

    def finding(self, value: str) -> Finding:
        """The value as a finding. ValueError, a sentence, when it is none."""
        if self.number(value) is None:
            raise ValueError(f"{self.label} is written as {self.written}.")
        text = " ".join(value.split()).removesuffix(self.unit).removesuffix("%").strip().replace(",", ".")
        return Finding(
            kind="vital",
            key=self.label,
            value=text,
            unit=self.unit,
            reference_range=self.reference,
            flag=self.flag(text),
        )


VITALS: tuple[Vital, ...] = (
    Vital(
        code="hr",
        label="Heart rate",
        short="HR",
        unit="/min",
        low=50,
        high=100,
        lowest=40,
        highest=130,
        most=300,
        usual="76",
        synonyms="hr, pulse, pulse rate, puls, herzfrequenz, bpm, heartbeat, heartrate",
        written="a number of beats, such as 96",
    ),
    Vital(
        code="bp",
        label="Blood pressure",
        short="BP",
        unit="mmHg",
        low=90,
        high=140,
        lowest=80,
        highest=200,
        most=300,
        usual="124/78",
        synonyms="bp, blutdruck, rr blutdruck, pressure, tension arterielle, arterial pressure, systolic",
        written="120/80",
    ),
    Vital(
        code="rr",
        label="Respiratory rate",
        short="RR",
        unit="/min",
        low=12,
        high=20,
        lowest=8,
        highest=29,
        most=90,
        usual="15",
        synonyms="rr, resp rate, breathing rate, atemfrequenz, resps, respiration rate, respirations",
        written="a number of breaths, such as 18",
    ),
    Vital(
        code="spo2",
        label="Oxygen saturation",
        short="SpO₂",
        unit="%",
        low=95,
        high=100,
        lowest=90,
        highest=100,
        most=100,
        usual="98",
        synonyms="spo2, o2 sat, o2 sats, sats, saturation, sao2, oximetry, pulse oximetry, pulse ox, oxygen sats,"
        " sauerstoffsättigung, oxygen level, sat, oxygen",
        written="a percentage up to 100, such as 97",
    ),
    Vital(
        code="temp",
        label="Temperature",
        short="T",
        unit="°C",
        low=36.0,
        high=37.7,
        lowest=35.0,
        highest=40.0,
        most=45,
        usual="36.8",
        synonyms="temp, t, fever, body temperature, temperatur, fieber, tympanic temperature, core temperature",
        written="degrees, such as 37.2",
    ),
)
"""In the order in which a monitor shows them."""
BY_CODE: dict[str, Vital] = {vital.code: vital for vital in VITALS}
EVERY_ONE = "vitals, vital signs, obs, observations, vital parameters, vitalzeichen, vital, news, monitoring, basic obs"
"""Orders that mean all of them."""
_NAMES = {
    "".join(stems(name)): vital for vital in VITALS for name in (vital.label, vital.short, *vital.synonyms.split(","))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSign:
    """What the monitor shows of one vital sign; `value` is empty while it is unknown."""

    code: Code
    label: str
    short: str
    unit: str
    value: str
    flag: Flag
    updated_at: datetime | None

    @property
    def abnormal(self) -> bool:
        return self.flag != "normal"


def vital_named(name: str) -> Vital | None:
    """The vital sign that this name, short name or synonym means."""
    return _NAMES.get("".join(stems(name)))


def vital_signs(rows: Iterable[SimulationMetadata]) -> list[VitalSign]:
    """All vital signs in their order, from the metadata of a simulation; the newest of several rows counts."""
    shown: dict[Code, SimulationMetadata] = {}
    for row in sorted(rows, key=attrgetter("updated_at")):
        vital = vital_named(row.key)
        if vital is not None:
            shown[vital.code] = row
    return [_sign(vital, shown.get(vital.code)) for vital in VITALS]


def findings_from(values: Mapping[str, str]) -> list[Finding]:
    """Findings from values by code; empty values are left out. ValueError, a sentence, for an unknown code or value."""
    unknown = sorted(values.keys() - BY_CODE.keys())
    if unknown:
        raise ValueError(f"There is no vital sign {unknown[0][:40]!r}; there are {', '.join(BY_CODE)}.")
    return [vital.finding(values[vital.code]) for vital in VITALS if values.get(vital.code, "").strip()]


def _sign(vital: Vital, row: SimulationMetadata | None) -> VitalSign:
    value = row.value if row else ""
    flag: Flag = row.extra.get("flag", "normal") if row else "normal"
    own_range = (
        row.extra.get("reference_range") if row else None
    )  # of a child, for example: its author judged the value
    if own_range in (None, "", vital.reference):
        flag = vital.flag(value)
    return VitalSign(
        code=vital.code,
        label=vital.label,
        short=vital.short,
        unit=vital.unit,
        value=value,
        flag=flag,
        updated_at=row.updated_at if row else None,
    )
