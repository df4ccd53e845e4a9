"""The domain rows of a chaos run."""

from django.db import models


class ChaosRow(models.Model):
    """The row that one call wrote. Nothing is unique here on purpose: a duplicate must be found, not prevented."""

    call_id = models.CharField(max_length=64, db_index=True)
    number = models.PositiveIntegerField()
    note = models.TextField()
    provider_response_id = models.CharField(max_length=128)

    class Meta:
        db_table = "chaos_row"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"row {self.pk} of call {self.number}"
