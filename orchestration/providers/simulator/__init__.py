"""A simulated model that costs nothing: answers every schema, in process and over HTTP, and fails on request.

What answers over HTTP (`server`) is imported when it is needed, because it imports aiohttp's server.
"""

from orchestration.providers.simulator.faults import Fault, Script
from orchestration.providers.simulator.responder import Responder

__all__ = ["Fault", "Responder", "Script"]
