"""The rules of a decision, and the comparison of two runs, as pure functions."""

from apps.consensus.decision.verdict import DecisionError, Label, Rules, Verdict, decide, must_review_again, quantized

__all__ = ["DecisionError", "Label", "Rules", "Verdict", "decide", "must_review_again", "quantized"]
