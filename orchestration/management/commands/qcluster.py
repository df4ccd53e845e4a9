"""`qcluster`: django-q's command of that name and options, supervised.

This app stands before `django_q` in INSTALLED_APPS, so Django finds this command first. The cluster itself runs in a
child process, which is this command again with `--cluster-child`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

from django.core.checks import Tags
from django.core.checks.registry import registry
from django.core.management.base import CommandError, CommandParser
from django.db import Error
from django.utils.module_loading import autodiscover_modules
from django_q.management.commands.qcluster import Command as ClusterCommand
from django_q.signals import post_execute, post_execute_in_worker, pre_execute

from orchestration.engine.node import CLUSTER_VARIABLE, NODE_VARIABLE, SUPERVISOR_VARIABLE, node_name
from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.engine.worker.process_group import die_with_parent
from orchestration.engine.worker.supervisor import Supervisor
from orchestration.errors import NodeNameTaken, NotConfigured
from orchestration.log import describe
from orchestration.management.base import PlainCommand
from orchestration.providers.registry import import_providers
from orchestration.shutdown import end_within

logger = logging.getLogger(__name__)

CHECKS_OF_CODE = {Tags.admin, Tags.models, Tags.staticfiles, Tags.templates, Tags.urls}
"""Checks that load every page and task; `manage.py check` runs them before a deployment."""
CLUSTER_CHILD = "--cluster-child"
EXIT_SECONDS = 20.0
"""How long the process may take to end once the supervisor has stopped; receivers of signals get half of it."""


class Command(PlainCommand, ClusterCommand):
    """Runs the supervisor, or, asked by it, the cluster."""

    requires_system_checks = sorted(registry.tags_available() - CHECKS_OF_CODE)
    help = "Run a supervised django-q cluster: restart it when it dies or stalls, and check for due work regularly."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)  # type: ignore[no-untyped-call]  # django-q has no types
        parser.add_argument(CLUSTER_CHILD, action="store_true", help=argparse.SUPPRESS)

    def run_from_argv(self, argv: list[str]) -> None:
        """The supervisor's process ends in time. The cluster's does not end with its command: that has only started the
        cluster, and the interpreter's exit waits for it."""
        try:
            super().run_from_argv(argv)
        finally:
            if CLUSTER_CHILD not in argv:
                end_within(EXIT_SECONDS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 0 after a requested stop; CommandError when the node's name or the database cannot be used."""
        if options["cluster_child"]:
            self._be_the_cluster(*args, **options)
        else:
            self._supervise(run_once=options["run_once"])

    def _be_the_cluster(self, *args: Any, **options: Any) -> None:
        die_with_parent(int(os.environ[SUPERVISOR_VARIABLE]))
        marker = ClusterMarks(LivenessMarks(node_name()))
        pre_execute.connect(marker.task_begins, weak=False)
        post_execute_in_worker.connect(marker.task_ended, weak=False)
        post_execute.connect(marker.result_acknowledged, weak=False)
        autodiscover_modules("tasks")  # once, before the fork, and not in each worker when its first task comes
        import_providers()
        super().handle(*args, **options)  # type: ignore[no-untyped-call]  # django-q has no types

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Set the node's name first, so that the system checks know that this is a worker."""
        if options["cluster_name"]:
            os.environ[CLUSTER_VARIABLE] = options["cluster_name"]
        try:
            os.environ[NODE_VARIABLE] = node_name()
        except NotConfigured as error:
            raise CommandError(str(error)) from error
        return super().execute(*args, **options)

    def _supervise(self, *, run_once: bool) -> None:
        command = [sys.executable, "-m", "django", "qcluster", "--skip-checks", CLUSTER_CHILD]
        try:
            if run_once:
                status = Supervisor([*command, "--run-once"]).run_once()
            else:
                status = Supervisor(command).run()
        except NodeNameTaken as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(
                f"The database cannot be used ({describe(error)}). Is it reachable, and did `manage.py migrate` run?"
            ) from error
        if status:
            sys.exit(status)


class ClusterMarks:
    """django-q's signals, as marks for the supervisor. They must not raise: that would end a worker."""

    def __init__(self, marks: LivenessMarks) -> None:
        self._marks = marks

    def task_begins(self, **_: object) -> None:
        try:
            self._marks.busy()
        except OSError as error:
            logger.warning("mark not written mark=busy error=%s", describe(error))

    def task_ended(self, **_: object) -> None:
        try:
            self._marks.idle()
        except OSError as error:
            logger.warning("mark not removed mark=busy error=%s", describe(error))

    def result_acknowledged(self, **_: object) -> None:
        try:
            self._marks.acknowledged()
        except OSError as error:
            logger.warning("mark not written mark=monitor error=%s", describe(error))
