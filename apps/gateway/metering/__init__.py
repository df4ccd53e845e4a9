"""Tokens, costs and limits: what a request may need, what a key may still use, and what was used."""
