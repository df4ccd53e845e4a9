"""SynthLang: prompts with fewer tokens, by reversible rules; off unless a key or a request asks for it."""

from apps.gateway.compression.compressor import Compressed, Level, compress, expand
from apps.gateway.compression.messages import CompressedRequest, compress_request

__all__ = ["Compressed", "CompressedRequest", "Level", "compress", "compress_request", "expand"]
