"""Settings of a chaos run: the product's own, with the few changes that are listed here and in each report."""

import os

from config.settings import *  # noqa: F403 - the product's settings are what is tested
from config.settings import INSTALLED_APPS, ORCHESTRAI

CHANGED = {
    # Random kills strike one call more than three times by bad luck alone; that is no poison.
    "MAX_DEATHS": 100,
    # How soon a wedged cluster is found; at the default of 30 s a run of minutes would be mostly wedges.
    "WEDGED_AFTER_SECONDS": 10,
    # Provider faults are scripted, not overload: waiting longer proves nothing more.
    "RETRY_INITIAL_SECONDS": 0.2,
    "RETRY_CAP_SECONDS": 2,
}
"""Leases, renewals, sweeps and ticks stay at their defaults."""

INSTALLED_APPS = [*INSTALLED_APPS, "chaos.app"]
ORCHESTRAI = {**ORCHESTRAI, **CHANGED, "ALLOW_PAID_REQUESTS": False}
ORCA_CONFIG = {
    "MODE": "single",
    "CLIENT": {"provider": "openai", "model": "gpt-4o-mini", "base_url": os.environ["CHAOS_PROVIDER_URL"]},
}
SECRET_KEY = "only-for-chaos-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"  # noqa: S105 - guards nothing
