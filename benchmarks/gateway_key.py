"""Make a gateway key whose every limit is on and never reached; print its secret. `python -m benchmarks.gateway_key`"""

from __future__ import annotations

from decimal import Decimal

import django

django.setup()

# isort: split
from apps.accounts.models import ApiKey, User
from apps.accounts.roles import Scope, UserRole
from apps.gateway.models import CacheMode, KeyPolicy
from orchestration.models import ModelPrice

MODEL = "gpt-4o-mini"
OWNER = "bench@example.com"


def main() -> None:
    owner, _ = User.objects.get_or_create(email=OWNER, defaults={"role": UserRole.STAFF})
    if not ModelPrice.objects.filter(provider="openai", model=MODEL).exists():
        kinds = ("input_per_million", "cached_input_per_million", "output_per_million")
        ModelPrice.objects.create(provider="openai", model=MODEL, **dict.fromkeys(kinds, Decimal("0.1")))
    limits = {"requests_per_minute": 10**7, "tokens_per_minute": 10**9, "budget": Decimal(100_000)}
    key, secret = ApiKey.issue(owner, "benchmark", [Scope.GATEWAY_CALL], **limits)
    KeyPolicy.objects.create(api_key=key, parallel=10_000, cache=CacheMode.EXACT)
    print(secret)


if __name__ == "__main__":
    main()
