"""Ordered results come from the records of the prompt."""

from __future__ import annotations

import json
from typing import Any

from apps.simulation.simulator.records import records
from orchestration.components.prompts import as_data
from orchestration.providers.simulator.schema_values import value_for


def test_what_is_ordered_comes_from_the_records():
    record = {"kind": "lab_result", "key": "Troponin", "value": "0.9", "unit": "ng/ml", "flag": "high"}
    instructions = f"You are a laboratory.\nFixed:\n{as_data(json.dumps(record), 'findings')}"
    message = "Ordered:\n" + as_data("troponin\nChest X-ray", "order")
    names = ("kind", "key", "value", "unit", "flag")
    properties: dict[str, Any] = {name: {"type": "string"} for name in names}
    properties |= {
        "kind": {"enum": ["lab_result", "radiology_result"], "type": "string"},
        "flag": {"enum": ["normal", "high"], "type": "string"},
    }
    item = {"type": "object", "properties": properties, "required": list(names)}
    schema = {"type": "object", "properties": {"results": {"type": "array", "items": item}}, "required": ["results"]}
    made = value_for(schema, seed=b"1", message=message, texts=[instructions, message], responders=(records,))[
        "results"
    ]
    assert made[0] == record
    assert (made[1]["kind"], made[1]["key"], made[1]["flag"]) == ("radiology_result", "Chest X-ray", "normal")
    assert len(made) == 2
