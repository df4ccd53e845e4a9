"""What the benchmarks' handler writes. The table is made by `migrate --run-syncdb` in a scratch database."""

from __future__ import annotations

from django.db import models


class TriagedTicket(models.Model):
    """One row for one answer."""

    ticket = models.IntegerField()
    urgency = models.IntegerField()
    team = models.TextField()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return f"Ticket {self.ticket}: {self.urgency}"
