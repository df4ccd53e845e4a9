"""Servers that speak OpenAI's API, with a key or without: Ollama, vLLM, LM Studio and others."""
