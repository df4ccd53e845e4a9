"""Which topic a question is about that names several: `are your friends ill, too?` asks for ill people, not friends."""

from __future__ import annotations

LEADING: tuple[tuple[str, frozenset[str]], ...] = (
    ("Family", frozenset()),
    ("Earlier episodes", frozenset()),
    (
        "Contraception",
        frozenset({"Medicines", "Sexual history", "Periods and pregnancy", "Treatment so far", "Relationship"}),
    ),
    ("Tick or insect bites", frozenset({"Animals", "Outdoors and travel"})),
    ("Operations and hospital stays", frozenset({"Past illnesses"})),
    ("Similar episodes before", frozenset({"Past illnesses", "Onset", "Aggravating factors", "Circumstances"})),
    ("Treatment so far", frozenset({"Medicines", "Relieving factors"})),
    ("Sick contacts", frozenset({"Home", "Family", "Relationship", "Outdoors and travel", "Rash"})),
    ("Aggravating factors", frozenset({"Course", "Timing"})),
    ("Relieving factors", frozenset({"Course", "Timing"})),
    ("Allergies", frozenset({"Drugs", "Medicines"})),
    ("Drugs", frozenset({"Medicines"})),
    ("Relationship", frozenset({"Home", "Sexual history"})),
    ("Vaccinations", frozenset({"Tick or insect bites"})),
    ("Animals", frozenset({"Sick contacts", "Home"})),
    ("Impact on daily life", frozenset({"Home", "occupation", "Exercise"})),
)
"""What a question is about when it names these, too; nothing: whatever else it names."""


def leads(topic: str, other: str) -> bool:
    """Whether a question that names both is about the first of them."""
    return any(first == topic and (other in qualifying or not qualifying) for first, qualifying in LEADING)
