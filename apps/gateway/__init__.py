"""The OpenAI-compatible gateway: `asgi` takes a request, `api` says what is done with it, `proxy` carries it out.

On the way `auth` finds the key, `metering` checks its limits, `compression` and `masking` change the body, `cache` may
answer it, and `recording` commits its row. The app has no `services` and `receivers`: nothing else calls it.
"""
