"""Azure OpenAI: OpenAI's wire formats at addresses, and with credentials, of Azure."""
