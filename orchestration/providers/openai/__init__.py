"""OpenAI's API and compatible servers. Exports nothing: `client` imports the SDK, which few processes need."""
