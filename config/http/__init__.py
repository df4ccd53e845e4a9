"""Wiring of HTTP: middleware, the error envelope, stored answers for repeated requests, upload limits."""
