from django.apps import AppConfig


class EngineappConfig(AppConfig):
    """Components that the tests of the engine run: no models, no handlers."""

    name = "tests.engineapp"
    label = "engineapp"
