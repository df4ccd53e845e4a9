"""Puts the scheduler, the list of allowed tasks and the schedules into django-q. Once, when the app is ready."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_save
from django_q.models import Schedule

from orchestration.django_q import allowed_tasks, scheduler, schedules


def install(django_q: AppConfig) -> None:
    allowed_tasks.install()
    scheduler.install()
    post_migrate.connect(schedules.create_all, sender=django_q)
    pre_save.connect(schedules.refuse_broken, sender=Schedule)
