"""The endpoints of the gateway, as OpenAI's API defines them."""
