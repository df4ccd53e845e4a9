"""OpenAI's API, which compatible servers speak, too."""
