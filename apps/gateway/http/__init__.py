"""The HTTP side of the gateway: a request with its answer, and what a serving process holds."""
