"""The engine's pages in the admin; importing this package registers them."""

from orchestration.admin import audits, calls, limits, nodes, prices, prompts

__all__ = ["audits", "calls", "limits", "nodes", "prices", "prompts"]
