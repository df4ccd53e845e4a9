"""Personal data kept from where it need not be: from logs always, from the provider when a key asks for it."""

from apps.gateway.masking.logs import MaskPersonalData, masked_for_log
from apps.gateway.masking.requests import Masked, MaskingFailed, mask_request
from apps.gateway.masking.restoring import Restorer, StreamRestorer

__all__ = (
    "MaskPersonalData",
    "Masked",
    "MaskingFailed",
    "Restorer",
    "StreamRestorer",
    "mask_request",
    "masked_for_log",
)
