"""`manage.py compression_report CORPUS`: what each compression level saves on these prompts, and what it costs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.gateway.compression.compressor import Level
from apps.gateway.compression.savings_report import Savings, UnreadableCorpus, measure, read_corpus
from orchestration.management.base import PlainCommand

LEVELS = (Level.LOW, Level.MEDIUM, Level.HIGH)
WORTH_IT_PERCENT = 2.0
MOST_RULES = 5


class Command(PlainCommand):
    help = "Compress a corpus of prompts at each level and report what that saves; nothing is sent anywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("corpus", type=Path, help="a text file, a .jsonl of chat requests, or a folder of them")
        parser.add_argument("--model", default="gpt-4o-mini", help="whose tokens are counted (gpt-4o-mini)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, corpus: Path, model: str, **options: Any) -> None:
        try:
            texts = read_corpus(corpus)
        except UnreadableCorpus as error:
            raise CommandError(str(error)) from None
        measured = [measure(texts, level, model) for level in LEVELS]
        if options["json"]:
            self.stdout.write(json.dumps([_as_json(savings, model) for savings in measured], indent=2))
            return
        self._print(measured, model)

    def _print(self, measured: list[Savings], model: str) -> None:
        first = measured[0]
        how = "ESTIMATED: the tokenizer's data is not on this machine" if first.estimated else "counted"
        self.stdout.write(f"{first.texts} texts, {first.before} tokens for {model} ({how})")
        self.stdout.write(f"{'level':8}{'tokens':>10}{'saved':>8}{'%':>7}{'shortened':>11}{'ms/text':>9}")
        for savings in measured:
            self.stdout.write(
                f"{savings.level:8}{savings.after:>10}{savings.saved:>8}{savings.percent:>7.2f}"
                f"{savings.shortened:>11}{1000 * savings.seconds / savings.texts:>9.2f}"
            )
        best = measured[-1]
        if best.rules:
            common = ", ".join(f"{phrase} ({count})" for phrase, count in best.rules.most_common(MOST_RULES))
            self.stdout.write(f"most often shortened: {common}")
        if best.percent < WORTH_IT_PERCENT:
            self.stdout.write(f"On this corpus compression saves {best.percent:.2f} %: it is hardly worth turning on.")


def _as_json(savings: Savings, model: str) -> dict[str, Any]:
    return {
        "level": str(savings.level),
        "model": model,
        "estimated": savings.estimated,
        "texts": savings.texts,
        "shortened": savings.shortened,
        "tokens_before": savings.before,
        "tokens_after": savings.after,
        "tokens_saved": savings.saved,
        "percent": round(savings.percent, 3),
        "milliseconds": round(savings.seconds * 1000, 3),
        "rules": dict(savings.rules.most_common()),
    }
