"""The short names under which clients of ORCA_CONFIG name the built-in providers."""

from __future__ import annotations

SIMULATOR = "simulator"
_PACKAGE = "orchestration.providers"
SHORT_NAMES = {
    "openai": f"{_PACKAGE}.openai.provider.OpenAIProvider",
    "azure": f"{_PACKAGE}.azure.provider.AzureProvider",
    "anthropic": f"{_PACKAGE}.anthropic.provider.AnthropicProvider",
    "gemini": f"{_PACKAGE}.gemini.provider.GeminiProvider",
    "compatible": f"{_PACKAGE}.compatible.provider.CompatibleProvider",
    "ollama": f"{_PACKAGE}.compatible.provider.OllamaProvider",
    "vllm": f"{_PACKAGE}.compatible.provider.VllmProvider",
    "lmstudio": f"{_PACKAGE}.compatible.provider.LmStudioProvider",
    SIMULATOR: f"{_PACKAGE}.simulator.provider.SimulatorProvider",
}
