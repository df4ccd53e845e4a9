"""The conformance suite over every wire format, asked by a worker."""

from __future__ import annotations

import pytest

from orchestration.testing.conformance import EngineConformance
from tests.engineapp.orca.services.triage import Triage


class OfTheEngine(EngineConformance):
    service = Triage
    call = {"context": {"ticket": "it burns"}}


class TestOpenAIResponses(OfTheEngine):
    provider = "openai"


class TestOpenAIChat(OfTheEngine):
    provider = "openai"
    settings = {"surface": "chat"}


@pytest.mark.postgres
class TestAzure(OfTheEngine):
    provider = "azure"
    below = ""


@pytest.mark.postgres
class TestAnthropic(OfTheEngine):
    provider = "anthropic"
    withheld = "refused"


@pytest.mark.postgres
class TestGemini(OfTheEngine):
    provider = "gemini"
    below = "/v1beta"
    refused = "content_filter"


class TestOllama(OfTheEngine):
    provider = "ollama"
    keyless = True
