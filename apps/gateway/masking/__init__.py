"""Masking of personal data: always in logs, and in requests to the provider when a key asks for it."""

from apps.gateway.masking.detectors import Finder, find_recognizer
from apps.gateway.masking.log_filter import MaskPersonalData, masked_for_log
from apps.gateway.masking.mask import Masked, MaskingFailed, mask_request
from apps.gateway.masking.unmask import Restorer, StreamRestorer

__all__ = [
    "Finder",
    "MaskPersonalData",
    "Masked",
    "MaskingFailed",
    "Restorer",
    "StreamRestorer",
    "find_recognizer",
    "mask_request",
    "masked_for_log",
]
