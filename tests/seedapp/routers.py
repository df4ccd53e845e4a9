"""Which tables the second database of the tests has."""

from typing import Any

OTHER = "other"


class OtherDatabaseRouter:
    """In `other` there are the test app's tables only; nothing is read or written there unasked."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return app_label == "seedapp" if db == OTHER else None
