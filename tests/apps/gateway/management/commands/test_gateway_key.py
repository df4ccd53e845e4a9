"""`manage.py gateway_key`: a key for a person, its secret printed once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import UserRole
from apps.devtools.runner import ADMIN, print_gateway
from apps.gateway.models import KeyPolicy
from tests.apps.gateway.serving import ask, client, gateway
from tests.apps.people import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def test_a_key_is_made_with_its_limits_and_works(capsys):
    owner = person(UserRole.STAFF)
    limits = ("--budget", "2.5", "--budget-period", "month", "--requests-per-minute", "9", "--parallel", "2")
    call_command("gateway_key", owner.email.upper(), "--model", "a", "--model", "b/c", "--cache", "off", *limits)
    plain = capsys.readouterr()
    call_command("gateway_key", owner.email)
    secret = capsys.readouterr().out.strip()

    made = ApiKey.objects.verify(plain.out.strip())
    assert made is not None
    assert (made.owner, made.scopes, made.allowed_models) == (owner, ["gateway:call"], ["a", "b/c"])
    assert (made.budget, made.budget_period, made.requests_per_minute) == (Decimal("2.5"), "month", 9)
    assert (KeyPolicy.of(made).parallel, KeyPolicy.of(made).cache) == (2, "off")
    assert "shown only here" in plain.err
    with gateway() as server:
        assert client(server, secret).chat.completions.create(**ask()).choices


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("nobody@example.com",), "There is no user nobody@example.com"),
        (("trainee",), "does not have the scope gateway:call. Give them the permission"),
        (("staff", "--model", " "), "list of names of models"),
        (("staff", "--name", "x" * 101), "at most 100 characters"),
        (("staff", "--budget", "-1"), "must be a number above 0"),
        (("staff", "--parallel", "0"), "must be a whole number from 1"),
    ],
)
def test_what_cannot_be_made_is_said(given, told):
    roles = {"trainee": UserRole.TRAINEE, "staff": UserRole.STAFF}
    who, *more = given
    with pytest.raises(CommandError) as refused:
        call_command("gateway_key", person(roles[who]).email if who in roles else who, *more)
    assert told in str(refused.value)
    assert not ApiKey.objects.exists()


def test_make_run_prints_one_key_with_a_new_secret(settings, capsys):
    settings.DEBUG = True
    call_command("seed_demo")
    capsys.readouterr()
    secrets = []
    for _ in range(2):
        print_gateway(8123)
        told = capsys.readouterr().out
        assert "OPENAI_BASE_URL=http://127.0.0.1:8123/v1" in told
        secrets.append(told.strip().rpartition("OPENAI_API_KEY=")[2])
    assert ApiKey.objects.filter(owner__email=ADMIN).count() == 1
    assert [ApiKey.objects.verify(secret) is not None for secret in secrets] == [False, True]
