from django.apps import AppConfig


class EngineappConfig(AppConfig):
    """Components that the tests of the engine run: no models, no handlers."""

    name = "tests.engineapp"
    label = "engineapp"

    def ready(self) -> None:
        from tests.engineapp.receivers import connect_what_is_asked_for

        connect_what_is_asked_for()
