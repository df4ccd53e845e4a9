"""The product's settings plus the benchmarks' own components, against a simulated provider over HTTP."""

from config.settings import *  # noqa: F403 - the product's settings are what is measured
from config.settings import INSTALLED_APPS, ORCHESTRAI

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks"]
ORCHESTRAI = {**ORCHESTRAI, "ALLOW_PAID_REQUESTS": False}
