"""What a question is about, by the examples that it resembles: for words that no phrase foresees."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from apps.simulation.simulator.stems import root
from apps.simulation.simulator.tables import ALIKE, CLASSES
from apps.simulation.simulator.wording import in_plain_words, written_out

FOLDER = Path(__file__).with_name("tables") / "examples"
VOCABULARY = "vocabulary.txt"
"""The file of single words; all others have a sentence a line."""
BEGINNING = 5
"""Letters by which longer words are alike: `sweating`, `sweaty`."""
WEIGHTS = {"word": 1.0, "pair": 0.7, "group": 0.8, "beginning": 0.4}
MIDDLE = 0.6
"""How much the nearness to the middle of all examples of a label counts."""
RARE = 8
"""A word that no example has weighs as one that the examples of so many labels have."""
SHARES = (0.75, 0.15, 0.1)
"""How much the nearest examples of a label count, the nearest first."""


class Guess(NamedTuple):
    """A topic or an intent, and how near the question is to its examples: 0 to 1."""

    name: str
    nearness: float


class Examples:
    """Sentences by label; each is a vector of the words, pairs of words and groups of words in it."""

    def __init__(self, labelled: Mapping[str, list[str]], groups: Mapping[str, str]) -> None:
        self._groups = groups
        counted = [(label, Counter(self._features(text))) for label, texts in labelled.items() for text in texts]
        found: dict[str, set[str]] = defaultdict(set)
        for label, features in counted:
            for feature in features:
                found[feature].add(label)
        self._rarity = {feature: math.log(1 + len(labelled) / len(labels)) for feature, labels in found.items()}
        self._unseen = math.log(1 + len(labelled) / RARE)
        self._labels = [label for label, _ in counted]
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for position, (label, features) in enumerate(counted):
            for feature, weight in self._vector(features).items():
                self._postings[feature].append((position, weight))
                sums[label][feature] += weight
        self._middles: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for label, total in sums.items():
            damped = {feature: math.sqrt(weight) * self._rarity[feature] for feature, weight in total.items()}
            length = math.sqrt(sum(weight * weight for weight in damped.values()))
            for feature, weight in damped.items():
                self._middles[feature].append((label, weight / length))

    def guesses(self, text: str) -> list[Guess]:
        """The labels whose examples a plain text resembles, the nearest first."""
        scores: dict[int, float] = defaultdict(float)
        middles: dict[str, float] = defaultdict(float)
        for feature, weight in self._vector(Counter(self._features(text))).items():
            for position, other in self._postings.get(feature, ()):
                scores[position] += weight * other
            for label, other in self._middles.get(feature, ()):
                middles[label] += weight * other
        by_label: dict[str, list[float]] = defaultdict(list)
        for position in sorted(scores, key=scores.__getitem__, reverse=True):
            by_label[self._labels[position]].append(scores[position])
        guesses = [
            Guess(
                label,
                sum(share * score for share, score in zip(SHARES, found, strict=False)) + MIDDLE * middles[label],
            )
            for label, found in by_label.items()
        ]
        return sorted(guesses, key=lambda guess: guess.nearness, reverse=True)

    def _vector(self, features: Counter[str]) -> dict[str, float]:
        weights = {
            feature: WEIGHTS[feature.partition(":")[0]] * self._rarity.get(feature, self._unseen)
            for feature in features
            if feature in self._rarity or feature.startswith("word:")
        }
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {feature: weight / length for feature, weight in weights.items()}

    def _features(self, text: str) -> Iterator[str]:
        words = text.split()
        roots = [root(word) for word in words]
        for word, each in zip(words, roots, strict=True):
            yield f"word:{each}"
            if len(each) > BEGINNING:
                yield f"beginning:{each[:BEGINNING]}"
            if group := self._groups.get(word):
                yield f"group:{group}"
        for first, second in itertools.pairwise(roots):
            yield f"pair:{first} {second}"


@lru_cache(maxsize=1)
def examples() -> Examples:
    """All examples of the tables, in plain words."""
    groups: dict[str, str] = {}
    for number, words in enumerate((*ALIKE, *CLASSES.values())):
        for word in words.replace("|", " ").replace("*", "").split():
            groups.setdefault(word, str(number))
    labelled = {
        label: [in_plain_words(written_out(text.replace("_", " "))) for text in texts]
        for label, texts in labelled_texts().items()
    }
    return Examples(labelled, groups)


@lru_cache(maxsize=1)
def labelled_texts() -> dict[str, list[str]]:
    """The sentences of all files, and the words of the vocabulary, by label."""
    labelled: dict[str, list[str]] = {}
    for file in sorted(FOLDER.rglob("*.txt")):
        label = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                label = line.strip("[]")
            elif line and not line.startswith("#"):
                labelled.setdefault(label, []).extend(line.split(" ") if file.name == VOCABULARY else [line])
    return labelled
