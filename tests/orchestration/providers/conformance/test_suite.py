"""The conformance suite over every built-in provider and each of its APIs.

Classes marked `long` speak as another one here does.
"""

from __future__ import annotations

import pytest

from orchestration.providers.conformance.suite import ProviderConformance


class TestOpenAIResponses(ProviderConformance):
    provider = "openai"


class TestOpenAIChat(ProviderConformance):
    provider = "openai"
    settings = {"surface": "chat"}


class TestAzure(ProviderConformance):
    provider = "azure"
    below = ""


@pytest.mark.long
class TestAzureChat(ProviderConformance):
    provider = "azure"
    settings = {"surface": "chat"}
    below = ""


@pytest.mark.long
class TestAzureResponsesOfADatedVersion(ProviderConformance):
    provider = "azure"
    settings = {"options": {"api_version": "2025-04-01-preview"}}
    below = ""


@pytest.mark.long
class TestAzureChatOfADatedVersion(ProviderConformance):
    provider = "azure"
    settings = {"surface": "chat", "options": {"api_version": "2024-10-21", "deployment": "model-1"}}
    below = ""


class TestAnthropic(ProviderConformance):
    provider = "anthropic"
    errors = {"quota": ("insufficient_quota", False)}
    recursion = False
    withholds = "refusal"


class TestGemini(ProviderConformance):
    provider = "gemini"
    below = "/v1beta"
    errors = {"quota": ("rate_limited", True), "request_timeout": ("provider_unavailable", True)}
    recursion = False
    refuses = "filtered"


class TestOllama(ProviderConformance):
    provider = "ollama"
    keyless = True


@pytest.mark.long
class TestCompatibleWithAKey(ProviderConformance):
    provider = "compatible"


@pytest.mark.long
class TestVllmResponses(ProviderConformance):
    provider = "vllm"
    settings = {"surface": "responses"}
    keyless = True


@pytest.mark.long
class TestLmStudio(ProviderConformance):
    provider = "lmstudio"
    keyless = True
