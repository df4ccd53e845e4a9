"""Which personas review, what each weighs by default, and which one may veto."""

from __future__ import annotations

from decimal import Decimal

VETO_PERSONA = "security_guardian"
"""The only persona whose security-critical blocking issue turns an approval into a revision."""

WEIGHTS: dict[str, Decimal] = {
    "architect": Decimal("0.25"),
    "critic": Decimal("0.25"),
    "optimist": Decimal("0.15"),
    VETO_PERSONA: Decimal("0.20"),
    "user_advocate": Decimal("0.15"),
}
PERSONA_IDS: tuple[str, ...] = tuple(WEIGHTS)
