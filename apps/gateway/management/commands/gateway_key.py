"""`manage.py gateway_key EMAIL`: a new key for the gateway; its secret is printed, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction

from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from apps.accounts.models.users import BudgetPeriod
from apps.gateway.models import CacheMode, KeyPolicy
from orchestration.management.base import PlainCommand, real, whole
from orchestration.values.columns import value_of

LIMITS = ("allowed_models", "budget", "budget_period", "requests_per_minute", "tokens_per_minute")
POLICY = ("parallel", "cache", "mask_personal_data")
MOST = 1_000_000


class Command(PlainCommand):
    help = "Create a key for the gateway and print its secret, which is shown nowhere else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the key's owner")
        parser.add_argument("--name", default="gateway", help="what the key is for (gateway)")
        model_help = "a model that the key may use; may be repeated. Without it: every model"
        parser.add_argument("--model", action="append", dest="allowed_models", metavar="NAME", help=model_help)
        parser.add_argument("--budget", type=real(0, MOST), help="in the currency of the prices; the rest is refused")
        period_help = "when the budget starts over (none: never)"
        parser.add_argument("--budget-period", choices=BudgetPeriod.values, default="none", help=period_help)
        parser.add_argument("--requests-per-minute", type=whole(1, MOST), metavar="N")
        parser.add_argument("--tokens-per-minute", type=whole(1, 1000 * MOST), metavar="N")
        parser.add_argument("--parallel", type=whole(1, MOST), metavar="N", help="requests at once")
        parser.add_argument("--cache", choices=CacheMode.values, help="when answers are taken from the cache")
        parser.add_argument("--mask-personal-data", action="store_true", help="the provider sees placeholders")

    def handle(self, *_: Any, email: str, name: str, **options: Any) -> None:
        owner = User.objects.filter(email=email.strip().lower()).first()
        if owner is None:
            raise CommandError(f"There is no user {email}. `manage.py createsuperuser` makes the first one.")
        limits = {field: options[field] for field in LIMITS if options[field] is not None}
        policy = {field: options[field] for field in POLICY if options[field] is not None}
        draft = ApiKey(owner=owner, name=name, **limits)
        try:
            draft.full_clean(exclude=("prefix", "hash", "scopes"))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        try:
            with transaction.atomic():
                made, secret = ApiKey.issue(
                    owner, name, [Scope.GATEWAY_CALL], **{field: value_of(draft, field) for field in limits}
                )
                KeyPolicy.objects.create(api_key=made, **policy)
        except ValueError as error:  # the owner lacks the scope
            raise CommandError(f"{error} Give them the permission `gateway.call_models`, or another role.") from None
        self.stderr.write(f"A key of {owner.email}. Its secret is shown only here:")
        self.stdout.write(secret)
