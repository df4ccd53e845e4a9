"""The Django app `shell`: navigation and components of all pages. It has no models."""

from django.apps import AppConfig


class ShellConfig(AppConfig):
    name = "apps.shell"
    label = "shell"
