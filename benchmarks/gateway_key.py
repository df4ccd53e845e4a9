"""Make two gateway keys whose every limit is on and never reached; print their secrets. The first masks personal data,
the second takes images. `python -m benchmarks.gateway_key`"""

from __future__ import annotations

import argparse
from decimal import Decimal

from benchmarks import configured  # noqa: F401 - sets up what the next lines need

# isort: split
from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
from apps.gateway.models import CacheMode, KeyPolicy
from orchestration.models import ModelPrice

MODEL = "gpt-4o-mini"
OWNER = "bench@example.com"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    owner, _ = User.objects.get_or_create(email=OWNER, defaults={"role": UserRole.STAFF})
    if not ModelPrice.objects.filter(provider="openai", model=MODEL).exists():
        kinds = ("input_per_million", "cached_input_per_million", "output_per_million")
        ModelPrice.objects.create(provider="openai", model=MODEL, **dict.fromkeys(kinds, Decimal("0.1")))
    limits = {"requests_per_minute": 10**7, "tokens_per_minute": 10**9, "budget": Decimal(100_000)}
    for masked in (True, False):
        key, secret = ApiKey.issue(owner, "benchmark", [Scope.GATEWAY_CALL], **limits)
        KeyPolicy.objects.create(api_key=key, parallel=10_000, cache=CacheMode.EXACT, mask_personal_data=masked)
        print(secret)


if __name__ == "__main__":
    main()
