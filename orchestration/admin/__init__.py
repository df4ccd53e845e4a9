"""The engine's pages in the admin; importing this package registers them."""

from orchestration.admin import audits, calls, nodes, prices

__all__ = ["audits", "calls", "nodes", "prices"]
