"""A believable demo: scenarios, people, sessions that were played and one that runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.management.commands.seed_demo import PASSWORD
from apps.accounts.models import User
from apps.accounts.roles import UserRole
from apps.simulation.images import read_picture
from apps.trainerlab.errors import AlreadyAssigned
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.trainerlab.scenarios import add_picture, assign
from apps.training.demo.cases import CASES, RASH, RASH_PICTURE, rash_picture
from apps.training.demo.sessions import BELLY_STEPS, CHEST_STEPS, RASH_STEPS, NotAnswered, play
from apps.training.showing import answers_are_simulated
from orchestration.testing import run_due_calls

INSTRUCTOR, TRAINEE = "instructor@example.com", "trainee@example.com"
SECOND = ("second.trainee@example.com", "Theo", "Trainee")


class Command(BaseCommand):
    help = "Fill a demo of the training platform and print its logins. Needs DEBUG; safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--play", action="store_true", help="play the sessions even if a real model answers")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo has published passwords; it runs only with DJANGO_DEBUG=true.")
        call_command("seed_demo", stdout=self.stdout)
        instructor, first, second = self._people()
        belly, chest, rash = [self._scenario(case, instructor) for case in CASES]
        if answers_are_simulated() or options["play"]:
            try:
                played = [
                    play(belly, first, instructor, BELLY_STEPS, run_due_calls),
                    play(chest, second, instructor, CHEST_STEPS, run_due_calls),
                    play(rash, second, instructor, RASH_STEPS, run_due_calls),
                ]
            except NotAnswered as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"sessions: {sum(played)} played, {len(played) - sum(played)} were there")
        else:
            self.stdout.write("sessions: none played, because a real model answers here and is paid; --play does it")
        self._assign(rash, first, instructor)
        self._assign(chest, first, instructor)
        self._tell(first, second, instructor)

    def _people(self) -> tuple[User, User, User]:
        email, first_name, last_name = SECOND
        second = User.objects.filter(email=email).first() or User.objects.create_user(
            email, PASSWORD, role=UserRole.TRAINEE, first_name=first_name, last_name=last_name
        )
        return User.objects.get(email=INSTRUCTOR), User.objects.get(email=TRAINEE), second

    def _scenario(self, case: dict[str, Any], owner: User) -> ScenarioTemplate:
        """One that is there, changed or not, is left as it is."""
        fields = {name: value for name, value in case.items() if name not in {"key", "time_limit_minutes"}}
        minutes = case.get("time_limit_minutes")
        fields["time_limit"] = None if minutes is None else timedelta(minutes=minutes)
        scenario, created = ScenarioTemplate.objects.get_or_create(key=case["key"], defaults={**fields, "owner": owner})
        if created:
            self.stdout.write(f"scenario: {scenario.title}")
        if case is RASH and not scenario.images.exists():
            upload = SimpleUploadedFile("rash.png", rash_picture(), content_type="image/png")
            add_picture(scenario, read_picture(upload), RASH_PICTURE)
        return scenario

    def _assign(self, scenario: ScenarioTemplate, trainee: User, instructor: User) -> None:
        """Something to start; what was started before is not assigned again."""
        if Assignment.objects.filter(template=scenario, trainee=trainee).exists():
            return
        try:
            assign(scenario, trainee, instructor, message="Please play this until Friday.")
        except AlreadyAssigned:
            return

    def _tell(self, *people: User) -> None:
        self.stdout.write("Sign in at / :")
        for person in people:
            self.stdout.write(f"  {person.get_role_display():<10} {person.email}  {PASSWORD}")
