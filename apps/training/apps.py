"""The Django app `training`: the pages of accounts, simulation, chatlab and trainerlab. It has no models of its own."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"
    label = "training"
