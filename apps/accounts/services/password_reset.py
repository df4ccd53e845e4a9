"""Password reset by an emailed link."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.urls import reverse
from django.utils.encoding import force_bytes, force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from apps.accounts.emails import obstacle, post
from apps.accounts.errors import MailUnavailable, ResetLinkInvalid
from apps.accounts.models import User
from apps.accounts.services.invitations import check_password
from orchestration.engine.queue.transport import send_task

logger = logging.getLogger(__name__)

SEND_TASK = "apps.accounts.tasks.send_reset"
NOBODY = 0
"""In place of a user's key: a task is sent all the same, so that a request for an unknown address takes as long."""


def request_reset(email: str, request: HttpRequest) -> None:
    """Have a link sent to the account of this email, if there is an active one; the caller learns nothing either way,
    not even from the time it takes: a worker writes and sends the email.

    Raises MailUnavailable while no email can be sent, whoever asks.
    """
    reason = obstacle()
    if reason:
        raise MailUnavailable(reason)
    known = User.objects.filter(email=email.strip().lower(), is_active=True).values_list("pk", flat=True).first()
    send_task(SEND_TASK, known or NOBODY, request.get_host(), request.is_secure())


def send_reset(user_id: int, host: str, secure: bool) -> bool:
    """Write and send the email with the link, to the host of the request; whether it was sent.

    A task message or a schedule may name any host, but an email only ever links to this installation.
    """
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        logger.warning("password email not sent: its host is not in DJANGO_ALLOWED_HOSTS")
        return False
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not user.has_usable_password():
        return False
    token = default_token_generator.make_token(user)
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    page = reverse("accounts:new_password", kwargs={"uidb64": uid, "token": token})
    link = f"{'https' if secure else 'http'}://{host}{page}"
    return post("new_password", user.email, {"email": user.email, "link": link})


def find_account(uid: str, token: str) -> User:
    """The account of a valid link; ResetLinkInvalid otherwise."""
    user = User.objects.filter(pk=_key(uid), is_active=True).first()
    if user is None or not default_token_generator.check_token(user, token):
        raise ResetLinkInvalid
    return user


def reset_password(uid: str, token: str, password: str) -> User:
    """Set the new password; the link no longer works, and every earlier session ends.

    Raises ResetLinkInvalid or WeakPassword.
    """
    with transaction.atomic():
        found = find_account(uid, token)
        User.objects.select_for_update(no_key=True).get(pk=found.pk)
        user = find_account(uid, token)  # again, under the lock: of two requests with one link, one sets the password
        check_password(password, user)
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _key(uid: str) -> int:
    try:
        return int(force_str(urlsafe_base64_decode(uid)))
    except (ValueError, OverflowError) as error:
        raise ResetLinkInvalid from error
