from django.apps import AppConfig


class SeedappConfig(AppConfig):
    name = "tests.seedapp"
    label = "seedapp"
    default_auto_field = "django.db.models.BigAutoField"
