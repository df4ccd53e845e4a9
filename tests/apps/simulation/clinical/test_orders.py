"""What people type as an order, and what it means."""

from __future__ import annotations

import pytest

from apps.simulation.clinical.orders import as_tests, read_order
from apps.simulation.clinical.vocabulary import Concept

CRP, WHITE, HB = "C-reactive protein", "White blood cells", "Haemoglobin"


def names(order: str) -> list[list[str]]:
    """Of each thing that is ordered: what it means."""
    return [
        [" ".join(filter(None, (concept.name, *sorted(concept.regions)))) for concept in concepts]
        for _, concepts in read_order(order)
    ]


@pytest.mark.parametrize(
    ("order", "meant"),
    [
        *((spelling, [[CRP]]) for spelling in ("CRP", "crp", "C reactive protein", "c-reactive protein", "C.R.P.")),
        *(
            (spelling, [[CRP]])
            for spelling in ("C-Reactive Protien", "creactive protein", "CRP level please", "hs-CRP")
        ),
        *((spelling, [[CRP]]) for spelling in ("C-reaktives Protein", "protéine C réactive", "CRP (high sensitivity)")),
        *((spelling, [[HB]]) for spelling in ("Hb", "hemoglobin", "haemoglobin", "Hämoglobin", "hemaglobin", "HGB")),
        *((spelling, [[WHITE]]) for spelling in ("WBC", "whites", "white cell count", "Leukozyten", "leucocytes")),
        *(
            (spelling, [["Troponin"]])
            for spelling in ("trop", "hs troponin T", "tropnin", "Trops", "troponin at 3 hours")
        ),
        *((spelling, [["ECG"]]) for spelling in ("EKG", "12-lead ECG", "ecg", "Electrocardiogram")),
        *((spelling, [["X-ray chest"]]) for spelling in ("CXR", "chest x ray", "X-ray of the chest", "Röntgen Thorax")),
        *((spelling, [["Ultrasound abdomen"]]) for spelling in ("US belly", "abdominal ultrasound", "sono abdomen")),
        *((spelling, [["Full blood count"]]) for spelling in ("FBC", "cbc", "full blood count", "Blutbild")),
        *(
            (spelling, [["Urea and electrolytes"]])
            for spelling in ("U&E", "U and E", "us and es", "electrolites", "BMP")
        ),
        ("CRP, FBC and U&E", [[CRP], ["Full blood count"], ["Urea and electrolytes"]]),
        ("CRP/WBC/Hb", [[CRP], [WHITE], [HB]]),
        ("trop + ECG", [["Troponin"], ["ECG"]]),
        ("please check haemoglobin and white cells", [[HB], [WHITE]]),
        ("CT abdomen and pelvis", [["CT abdomen pelvis"]]),
        ("PT/INR", [["INR"]]),
        ("blood potassium", [["Potassium"]]),
        ("urine", [["Urinalysis"]]),
        ("BP and temp", [["Blood pressure"], ["Temperature"]]),
        ("examine the abdomen", [["Abdomen"]]),
        ("listen to the heart and lungs", [["Cardiovascular"], ["Respiratory"]]),
        ("McBurney", [["Abdomen"]]),
    ],
)
def test_an_order_is_understood_however_it_is_written(order: str, meant: list[list[str]]) -> None:
    assert names(order) == meant


@pytest.mark.parametrize(
    "order", ["banana", "asdfgh", "unicorn level", "give aspirin 300 mg", "urine glucose", "a coffee please", "???"]
)
def test_what_is_not_a_test_means_nothing(order: str) -> None:
    assert [concepts for _, concepts in read_order(order) if concepts] == []


def test_nonsense_beside_a_test_is_kept_apart() -> None:
    assert names("CRP and banana") == [[CRP], []]


def test_a_set_is_its_tests() -> None:
    members = [test.name for test in as_tests(Concept("set", "Full blood count"))]
    assert members[:2] == [HB, WHITE]
    assert as_tests(Concept("test", CRP)) == [Concept("test", CRP)]
