"""Letters to people, through Django's mail backend. Tokens are in the letter and nowhere else."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.core.mail import send_mail
from django.template.loader import render_to_string

from orchestration.log import describe

logger = logging.getLogger(__name__)


def post(template: str, recipient: str, context: dict[str, object]) -> bool:
    """Send `accounts/mail/<template>.txt`, whose first line is the subject; False when it could not be handed over."""
    subject, _, body = render_to_string(f"accounts/mail/{template}.txt", context).strip().partition("\n")
    try:
        return send_mail(" ".join(subject.split()), body.strip() + "\n", None, [recipient]) == 1
    except (SMTPException, OSError) as error:
        logger.error("mail not sent template=%s error=%s", template, describe(error))
        return False
