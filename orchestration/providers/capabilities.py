"""What a provider may be able to do besides answering text with text."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """A provider's class lists what its API has; a client takes away what its server or model has not (`without`)."""

    STRUCTURED_OUTPUT = "structured_output"
    """Its answer follows a JSON schema that is sent along."""
    TOOLS = "tools"
    """It asks for calls of the tools that are described to it."""
    IMAGES = "images"
    """It takes images as part of a message."""
    AUDIO = "audio"
    """It takes audio."""
    FILES = "files"
    """It takes PDFs."""
    STREAMING = "streaming"
    """Its answers can be read while they are written."""
