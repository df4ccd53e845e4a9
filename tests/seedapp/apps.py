import os
import time
from pathlib import Path

from django.apps import AppConfig


class SeedappConfig(AppConfig):
    name = "tests.seedapp"
    label = "seedapp"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if "SEEDAPP_PACE" in os.environ:
            slow_down_bulk_runs(Path(os.environ["SEEDAPP_PACE"]))


def slow_down_bulk_runs(pace: Path) -> None:
    """Before each item a worker waits as long as the file says, in seconds: so there is time to stop it. Outside of its
    transaction, in which SQLite would let nobody else write."""
    from persistence.bulk.lease import RunLease

    is_still_held = RunLease.is_still_held

    def rested(hold: RunLease) -> bool:
        time.sleep(float(pace.read_text()))
        return is_still_held(hold)

    RunLease.is_still_held = rested
