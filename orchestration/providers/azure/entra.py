"""Tokens of Microsoft Entra, from the identity that the environment gives this process; needs `orchestrai[azure]`.

A client has `"token": "orchestration.providers.azure.entra:default_token"`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

SCOPE = "https://cognitiveservices.azure.com/.default"


def default_token() -> str:
    """A token of `DefaultAzureCredential`, which keeps it until it expires. Raises what `azure.identity` raises."""
    return str(_provider()())


@lru_cache(maxsize=1)
def _provider() -> Any:
    credential = import_string("azure.identity.DefaultAzureCredential")()
    return import_string("azure.identity.get_bearer_token_provider")(credential, SCOPE)
