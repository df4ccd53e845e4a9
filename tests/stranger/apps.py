from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class StrangerConfig(AppConfig):
    name = "tests.stranger"
    label = "stranger"
    default_auto_field = "django.db.models.BigAutoField"


class OfficeAdmin(AdminConfig):
    default_site = "tests.stranger.sites.Office"


class ConsoleAdmin(AdminConfig):
    default_site = "tests.stranger.console_site.ConsoleOffice"
