"""Settings of a chaos run: the product's own, with the few changes that are listed here and in each report."""

import os

from chaos.options import CHANGED, CHANGED_CONSENSUS
from config.settings import *  # noqa: F403 - the product's settings are what is tested
from config.settings import CONSENSUS, INSTALLED_APPS, ORCHESTRAI

INSTALLED_APPS = [*INSTALLED_APPS, "chaos.app"]
ORCHESTRAI = {**ORCHESTRAI, **CHANGED, "ALLOW_PAID_REQUESTS": False}
CONSENSUS = {**CONSENSUS, **CHANGED_CONSENSUS}
ORCA_CONFIG = {
    "MODE": "single",
    "CLIENT": {"provider": "openai", "model": "gpt-4o-mini", "base_url": os.environ["CHAOS_PROVIDER_URL"]},
}
SECRET_KEY = "only-for-chaos-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"  # noqa: S105 - guards nothing
