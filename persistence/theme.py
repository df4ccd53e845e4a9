"""The console in unfold's theme, for a project's settings: `UNFOLD = {**CONSOLE, "SITE_TITLE": "Yours"}`.

Settings read it, so it imports nothing of Django.
"""

from typing import Any

CONSOLE: dict[str, Any] = {
    "ENVIRONMENT": "persistence.admin.navigation.environment",
    "DASHBOARD_CALLBACK": "persistence.admin.overview.dashboard",
    "STYLES": ["persistence.admin.navigation.stylesheet", "persistence.admin.navigation.operations_stylesheet"],
    "SCRIPTS": [
        "persistence.admin.navigation.focus_script",
        "persistence.admin.navigation.script",
        "persistence.admin.navigation.lists_script",
    ],
    "TABS": "persistence.admin.navigation.tabs",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "persistence.admin.navigation.navigation",
    },
}
