"""OrchestrAI: durable LLM service calls on Django."""
