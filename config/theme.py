"""The theme of the console. The settings read it, so it imports nothing of Django."""

from typing import Any

from persistence.theme import CONSOLE

UNFOLD: dict[str, Any] = {
    **CONSOLE,
    "STYLES": [*CONSOLE["STYLES"], "apps.shell.console.stylesheet"],
    "SCRIPTS": [*CONSOLE["SCRIPTS"], "apps.shell.console.zone"],
    "SITE_TITLE": "OrchestrAI",
    "SITE_HEADER": "OrchestrAI",
    "SITE_SUBHEADER": "Operations console",
    "SITE_SYMBOL": "hub",
    "LOGIN": {"form": "apps.accounts.forms.ConsoleSignInForm"},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "persistence.admin.navigation.favicon"}],
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
}
