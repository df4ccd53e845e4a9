"""The catalogue: every name in it is understood as itself, and the laboratory has a usual value for it."""

from __future__ import annotations

import random

from apps.simulation.clinical.catalogue import as_json, usual
from apps.simulation.clinical.orders import read_order
from apps.simulation.clinical.vitals import VITALS
from apps.simulation.clinical.vocabulary import phrases

RNG = random.Random(1)


def understood(name: str) -> set[str]:
    return {concept.name for _, concepts in read_order(name) for concept in concepts}


def test_every_name_and_synonym_is_understood_as_what_it_names() -> None:
    listed = as_json()
    wrong = [
        (name, entry["name"], understood(name))
        for entry in [*listed["tests"], *listed["sets"]]
        if entry.get("group") != "Imaging"
        for name in (entry["name"], *entry["synonyms"])
        if understood(name) != {entry["name"]}
    ]
    assert wrong == []


def test_no_phrase_means_two_things() -> None:
    listed = as_json()
    owners: dict[str, set[str]] = {}
    for entry in [*listed["tests"], *listed["sets"]]:
        for phrase in phrases(",".join((entry["name"], *entry["synonyms"]))):
            owners.setdefault(phrase, set()).add(entry["name"])
    assert {phrase: names for phrase, names in owners.items() if len(names) > 1} == {}


def test_images_and_examinations_of_the_menu_are_understood() -> None:
    listed = as_json()
    images = [entry["name"] for entry in listed["tests"] if entry["group"] == "Imaging"]
    assert [name for name in images if len(read_order(name)) != 1 or not read_order(name)[0][1]] == []
    for each in listed["examinations"]:
        [(text, [meant])] = read_order(each["name"])
        assert (text, meant.kind, meant.name) == (each["name"], "exam", each["system"])
        (_, found), _ = read_order(f"{each['name']}, FBC")
        assert [(one.kind, one.name) for one in found] == [("exam", each["system"])]


def test_all_that_can_be_ordered_has_a_usual_result() -> None:
    for entry in as_json()["tests"]:
        for text, concepts in read_order(entry["name"]):
            for concept in concepts:
                found = usual(concept, text, RNG)
                assert found, entry["name"]
                assert all(each.flag == "normal" and each.value for each in found)
    assert len(usual(read_order("vitals")[0][1][0], "vitals", RNG)) == len(VITALS)
