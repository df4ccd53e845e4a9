"""An order finds what the author fixed, under whatever name; another test is not taken for it."""

from __future__ import annotations

import pytest

from apps.simulation.clinical.findings import FindingIndex
from apps.simulation.models.cases import Finding
from apps.training.demo.cases import BELLY, CHEST, RASH


def index(*findings: Finding) -> FindingIndex:
    return FindingIndex(findings)


def finding(key: str, kind: str = "lab_result", **fields: object) -> Finding:
    return Finding.model_validate({"kind": kind, "key": key, "value": "as the author wrote it", **fields})


CASES = {
    "belly": index(*(Finding(**fixed) for fixed in BELLY["findings"])),
    "chest": index(*(Finding(**fixed) for fixed in CHEST["findings"])),
    "rash": index(*(Finding(**fixed) for fixed in RASH["findings"])),
}


@pytest.mark.parametrize(
    ("case", "order", "keys"),
    [
        ("belly", "CRP", ["C-reactive protein"]),
        ("belly", "C reactive protein", ["C-reactive protein"]),
        ("belly", "inflammatory markers", ["C-reactive protein", "White blood cells"]),
        ("belly", "FBC, CRP & beta-hCG", ["Haemoglobin", "White blood cells", "C-reactive protein", "Pregnancy test"]),
        ("belly", "ultrasound of the appendix", ["Abdominal ultrasound"]),
        ("belly", "ultrasound", ["Abdominal ultrasound"]),
        ("belly", "ultrasound of the leg", []),
        ("belly", "CT abdomen", []),
        ("belly", "total protein", []),
        ("belly", "urine CRP", []),
        ("chest", "EKG", ["ECG"]),
        ("chest", "cardiac enzymes", ["Troponin", "ECG"]),
        ("chest", "U&E", ["Potassium"]),
        ("chest", "CT chest", []),
        ("rash", "Lyme test", ["Borrelia IgM"]),
        ("rash", "Borrelia IgG", []),
    ],
)
def test_an_order_finds_what_is_fixed_and_nothing_else(case: str, order: str, keys: list[str]) -> None:
    found = [each.key for each in CASES[case].ordered([order]) if each.kind in {"lab_result", "radiology_result"}]
    assert found == keys


def test_aliases_and_words_of_tests_that_no_catalogue_has() -> None:
    fixed = index(
        finding("Alpha-gal specific IgE", aliases=["red meat allergy test"]),
        finding("Quantiferon gold assay"),
    )
    for order in ("alpha gal", "Red-meat allergy tests", "alfa gal specific IgE"):
        assert [each.key for each in fixed.ordered([order])] == ["Alpha-gal specific IgE"], order
    assert [each.key for each in fixed.ordered(["quantiferron"])] == ["Quantiferon gold assay"]
    assert fixed.ordered(["gold"]) == []


def test_an_examination_gives_the_signs_of_its_system() -> None:
    fixed = index(
        finding("Abdominal palpation", "exam"),
        finding("Rovsing's sign", "exam", system="Abdomen"),
        finding("Breath sounds", "exam"),
    )
    assert [each.key for each in fixed.ordered(["examine the belly"])] == ["Abdominal palpation", "Rovsing's sign"]
    assert [each.key for each in fixed.ordered(["Rovsing sign"])] == ["Rovsing's sign"]
    assert len(fixed.ordered(["physical examination"])) == 3


def test_a_line_is_settled_when_nothing_is_left_to_make_up() -> None:
    fixed = CASES["belly"]
    assert fixed.settles("crp and whites")
    assert not fixed.settles("FBC")
    assert not fixed.settles("crp and sodium")
    assert not fixed.settles("banana")


def test_a_new_finding_takes_the_place_of_the_same_test() -> None:
    fixed = CASES["belly"]
    new = fixed.under_its_names(finding("CRP", value="120"))
    assert (new.key, new.value) == ("C-reactive protein", "120")
    stored = fixed.with_finding(new)
    assert len(stored) == len(fixed.findings)
    assert next(each.value for each in stored if each.key == "C-reactive protein") == "120"
    assert fixed.under_its_names(finding("Sodium")).key == "Sodium"
    signs = index(finding("Abdomen", "exam"))
    assert signs.under_its_names(finding("McBurney's point", "exam", system="Abdomen")).key == "McBurney's point"
