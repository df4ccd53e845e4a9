"""The console's pages about persistence; importing this package registers them."""

from persistence.admin import acting, exports, filters, health, inspect, previews, replays, retention, runs

__all__ = ["acting", "exports", "filters", "health", "inspect", "previews", "replays", "retention", "runs"]
