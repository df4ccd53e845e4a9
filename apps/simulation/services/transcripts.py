"""A simulation's history for people and programs: JSON, CSV, Markdown, and as messages of a chat model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from apps.simulation.history import History, HistoryEntry
from apps.simulation.models import Simulation
from orchestration.values import file_formats, spreadsheets

COLUMNS = ("timestamp", "source", "role", "sender", "content")
CHAT_ROLES = {"user": "user", "assistant": "assistant"}
"""Every other role is `system`."""
FILE_FORMAT = file_formats.FIRST
"""Of JSON and CSV; Markdown is for reading, and the format of chat models is not ours."""


@dataclass(frozen=True, slots=True)
class Formatter:
    """A function that writes a history as text, with its content type and file extension."""

    write: Callable[[Simulation, History], str]
    content_type: str
    extension: str


def as_rows(history: History) -> list[dict[str, str]]:
    return [{name: _text(entry, name) for name in COLUMNS} for entry in history.entries]


def as_json(simulation: Simulation, history: History) -> str:
    """`{file_format, simulation, patient, complete, missing, entries}`; `missing` names the sources that could not be
    read."""
    content = {
        file_formats.NAME: FILE_FORMAT,
        "simulation": str(simulation.uuid),
        "patient": simulation.sim_patient_full_name,
        "complete": not history.failed,
        "missing": history.failed,
        "entries": as_rows(history),
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def as_csv(simulation: Simulation, history: History) -> str:
    """One row per entry; a value that a spreadsheet would read as a formula is escaped."""
    target = io.StringIO()
    writer = csv.DictWriter(target, (*COLUMNS, file_formats.NAME))
    writer.writeheader()
    for row in as_rows(history):
        cells: dict[str, object] = {name: spreadsheets.escaped(value) for name, value in row.items()}
        writer.writerow({**cells, file_formats.NAME: FILE_FORMAT})
    return target.getvalue()


def as_markdown(simulation: Simulation, history: History) -> str:
    """For reading; what people wrote is quoted and escaped, so that it cannot become a heading or HTML."""
    parts = [f"# {_escaped(simulation.sim_patient_full_name)}\n"]
    if history.failed:
        parts.append(f"*Incomplete: {', '.join(history.failed)} could not be read.*\n")
    for entry in history.entries:
        quoted = "\n".join(f"> {_escaped(line)}" for line in entry["content"].splitlines() or [""])
        parts.append(f"**{_escaped(entry['sender'])}** ({entry['timestamp']:%Y-%m-%d %H:%M:%S})\n\n{quoted}\n")
    return "\n".join(parts)


def as_openai(simulation: Simulation, history: History) -> str:
    """`{messages: [{role, content}]}` in the format of chat models: the trainee as user, the patient as assistant."""
    messages = [
        {"role": CHAT_ROLES.get(entry["role"], "system"), "content": entry["content"]} for entry in history.entries
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False, indent=2)


class TranscriptFormat(StrEnum):
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    OPENAI = "openai"


FORMATTERS = {
    TranscriptFormat.JSON: Formatter(as_json, "application/json", "json"),
    TranscriptFormat.CSV: Formatter(as_csv, "text/csv; charset=utf-8", "csv"),
    TranscriptFormat.MARKDOWN: Formatter(as_markdown, "text/markdown; charset=utf-8", "md"),
    TranscriptFormat.OPENAI: Formatter(as_openai, "application/json", "openai.json"),
}


def _text(entry: HistoryEntry, name: str) -> str:
    return entry["timestamp"].isoformat() if name == "timestamp" else str(entry[name])  # type: ignore[literal-required]  # of COLUMNS


def _escaped(text: str) -> str:
    """With the special characters of Markdown and HTML escaped."""
    escaped = text.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "*_`[]#!|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
