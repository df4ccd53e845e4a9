"""Emails to people, through Django's mail backend. Tokens are in the email and nowhere else."""

from __future__ import annotations

import logging
from email.utils import parseaddr
from smtplib import SMTPException, SMTPSenderRefused
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend
from django.template.loader import render_to_string

from orchestration.log import describe
from orchestration.typed_settings import optional_setting

logger = logging.getLogger(__name__)

UNSENT = ("console", "filebased", "dummy")
"""Django's mail backends that hand email to no server: what they are given reaches nobody."""
PATIENCE_SECONDS = 5
"""How long a page waits for the mail server; the worker that sends waits for `EMAIL_TIMEOUT`."""
NO_SERVER = "This installation cannot send email. Ask an administrator for help."
NOT_NOW = (
    "The email cannot be sent: the mail server does not accept it at the moment. Try again in a few minutes, or ask"
    " an administrator for help."
)


def delivers() -> bool:
    """Whether email is handed to a mail server, and not written to a terminal or thrown away."""
    return backend() not in UNSENT


def backend() -> str:
    """The mail backend's name: `smtp`, `console`."""
    mailers = optional_setting("MAILERS")  # since Django 6.1
    path: str = mailers["default"]["BACKEND"] if mailers else settings.EMAIL_BACKEND
    return path.split(".")[-2]


def obstacle() -> str:
    """Why no email can be sent now, as a sentence for whoever asked for one; empty when it can.

    The mail server is asked whether it takes mail from our sender; nothing is sent. In development (DEBUG) the terminal
    will do for a server.
    """
    if not delivers():
        return "" if settings.DEBUG and backend() != "dummy" else NO_SERVER
    try:
        _ask_server()
    except (SMTPException, OSError) as error:
        logger.error("the mail server takes no email error=%s", describe(error))
        return NOT_NOW
    return ""


def _ask_server() -> None:
    """Connect and sign in to the mail server, and name our sender; SMTPException or OSError when it refuses."""
    module: Any = mail
    connection = module.mailers["default"] if django.VERSION >= (6, 1) else module.get_connection()
    server = connection if isinstance(connection, EmailBackend) else None
    if server is not None and server.timeout:
        server.timeout = min(server.timeout, PATIENCE_SECONDS)
    try:
        connection.open()
        if server is not None and server.connection is not None:
            sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
            code, answer = server.connection.mail(sender)
            if code != 250:
                raise SMTPSenderRefused(code, answer, sender)
    finally:
        connection.close()


def post(template: str, recipient: str, context: dict[str, object]) -> bool:
    """Send `accounts/mail/<template>.txt`, whose first line is the subject; False when it could not be handed over."""
    subject, _, body = render_to_string(f"accounts/mail/{template}.txt", context).strip().partition("\n")
    try:
        return mail.send_mail(" ".join(subject.split()), body.strip() + "\n", None, [recipient]) == 1
    except (SMTPException, OSError) as error:
        logger.error("email not sent template=%s error=%s", template, describe(error))
        return False
