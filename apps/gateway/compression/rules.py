"""The shortened phrases. Every rule saves a token in o200k_base and cl100k_base, and stands for one phrase only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Rule:
    """`phrase` becomes `short`, and back."""

    phrase: str
    short: str


ABBREVIATIONS = tuple(
    Rule(phrase, short)
    for short, phrase in {
        "AFAIK": "as far as I know",
        "AI": "artificial intelligence",
        "API": "application programming interface",
        "APIs": "application programming interfaces",
        "ASAP": "as soon as possible",
        "BTW": "by the way",
        "CEO": "chief executive officer",
        "CI": "continuous integration",
        "CLI": "command line interface",
        "CPU": "central processing unit",
        "CRM": "customer relationship management",
        "CTO": "chief technology officer",
        "EOD": "end of day",
        "ERP": "enterprise resource planning",
        "ETA": "estimated time of arrival",
        "EU": "European Union",
        "FAQs": "frequently asked questions",
        "FYI": "for your information",
        "GDPR": "General Data Protection Regulation",
        "GPU": "graphics processing unit",
        "GUI": "graphical user interface",
        "HR": "human resources",
        "IDE": "integrated development environment",
        "IMO": "in my opinion",
        "IP": "intellectual property",
        "KPI": "key performance indicator",
        "LLM": "large language model",
        "MFA": "multi-factor authentication",
        "ML": "machine learning",
        "MVP": "minimum viable product",
        "NDA": "non-disclosure agreement",
        "NLP": "natural language processing",
        "OOP": "object oriented programming",
        "OS": "operating system",
        "OTOH": "on the other hand",
        "PII": "personally identifiable information",
        "POV": "point of view",
        "QA": "quality assurance",
        "RAM": "random access memory",
        "RFC": "request for comments",
        "RFP": "request for proposal",
        "ROI": "return on investment",
        "SDK": "software development kit",
        "SEO": "search engine optimization",
        "SLA": "service level agreement",
        "SOP": "standard operating procedure",
        "SSO": "single sign-on",
        "TBD": "to be determined",
        "TDD": "test driven development",
        "ToS": "terms of service",
        "UI": "user interface",
        "UK": "United Kingdom",
        "USA": "United States of America",
        "UX": "user experience",
        "VM": "virtual machine",
        "WIP": "work in progress",
        "YoY": "year over year",
        "eg": "for example",
        "ie": "that is to say",
        "vs": "as opposed to",
        "wrt": "with respect to",
    }.items()
)
SYMBOLS = tuple(
    Rule(phrase, short)
    for short, phrase in {
        "≥": "is greater than or equal to",
        "≤": "is less than or equal to",
        "≠": "is not equal to",
        "=": "is equal to",
        "≈": "is approximately equal to",
        "≡": "is equivalent to",
        ">": "is greater than",
        "<": "is less than",
        "∈": "is an element of",
        "∉": "is not an element of",
        "⊆": "is a subset of",
        "→": "leads to",
        "⇒": "implies that",
        "⇔": "if and only if",
        "Σ": "the sum of",
        "Δ": "the difference between",
        "√": "the square root of",
        "\u00d7": "multiplied by",
        "±": "plus or minus",
        "&": "as well as",
    }.items()
)


@lru_cache(maxsize=64)
def shortening(rules: tuple[Rule, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds the rules' phrases, the longest first, and their short forms."""
    return _alternatives({rule.phrase: rule.short for rule in rules})


@lru_cache(maxsize=64)
def lengthening(rules: tuple[Rule, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds the short forms, and the phrases that they stand for."""
    return _alternatives({rule.short: rule.phrase for rule in rules})


def _alternatives(words: dict[str, str]) -> tuple[re.Pattern[str], dict[str, str]]:
    if not words:
        return re.compile(r"(?!)"), words
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])"), words
