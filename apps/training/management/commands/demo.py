"""A demo: scenarios, people, sessions that were played and one that is running."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from apps.accounts.management.commands.seed_demo import PASSWORD
from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.simulation.services.image_upload import read_picture
from apps.trainerlab.errors import AlreadyAssigned
from apps.trainerlab.models import Assignment, ScenarioTemplate
from apps.trainerlab.services.pictures import add_picture
from apps.trainerlab.services.scenarios import assign
from apps.training.demo.cases import CASES, RASH, RASH_PICTURE, rash_picture
from apps.training.demo.sessions import BELLY_STEPS, CHEST_STEPS, RASH_STEPS, NotAnswered, play
from orchestration.management.base import PlainCommand
from orchestration.providers.simulated_answers import answers_are_simulated
from orchestration.testing import drain

INSTRUCTOR, TRAINEE = "instructor@example.com", "trainee@example.com"
SECOND = ("second.trainee@example.com", "Theo", "Trainee")


class Command(PlainCommand):
    help = "Fill a demo of the training platform and print its logins. Needs DEBUG; safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--play", action="store_true", help="play the sessions even if a real model answers")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo has published passwords, so it runs only with DJANGO_DEBUG=true.")
        call_command("seed_demo", stdout=self.stdout)
        instructor, first, second = self._people()
        belly, chest, rash = [self._scenario(case, instructor) for case in CASES]
        if answers_are_simulated() or options["play"]:
            try:
                played = [
                    play(belly, first, instructor, BELLY_STEPS, drain),
                    play(chest, second, instructor, CHEST_STEPS, drain),
                    play(rash, second, instructor, RASH_STEPS, drain),
                ]
            except NotAnswered as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"sessions: {sum(played)} played, {len(played) - sum(played)} already there")
        else:
            self.stdout.write("sessions: none played, because a real model would be paid for; --play plays them anyway")
        self._assign(rash, first, instructor)
        self._assign(chest, first, instructor)
        self._print_logins(first, second, instructor)

    def _people(self) -> tuple[User, User, User]:
        email, first_name, last_name = SECOND
        second = User.objects.filter(email=email).first() or User.objects.create_user(
            email, PASSWORD, role=UserRole.TRAINEE, first_name=first_name, last_name=last_name
        )
        return User.objects.get(email=INSTRUCTOR), User.objects.get(email=TRAINEE), second

    def _scenario(self, case: dict[str, Any], owner: User) -> ScenarioTemplate:
        """An existing one is left as it is."""
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
        """Assign it once; what was assigned before is not assigned again."""
        if Assignment.objects.filter(template=scenario, trainee=trainee).exists():
            return
        try:
            assign(scenario, trainee, instructor, message="Please play this by Friday.")
        except AlreadyAssigned:
            return

    def _print_logins(self, *people: User) -> None:
        self.stdout.write("Sign in at /:")
        for person in people:
            self.stdout.write(f"  {person.get_role_display():<10} {person.email}  {PASSWORD}")
