"""A new password for somebody who forgot it."""

from __future__ import annotations

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpRequest
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode

from apps.accounts.errors import ResetLinkInvalid
from apps.accounts.inviting import check_password
from apps.accounts.models import User


def request_reset(email: str, request: HttpRequest) -> None:
    """Send a link to the account of this email, if there is an active one; the caller learns nothing either way."""
    form = PasswordResetForm({"email": email})
    if form.is_valid():
        form.save(
            request=request,
            use_https=request.is_secure(),
            email_template_name="accounts/mail/new_password.txt",
            subject_template_name="accounts/mail/new_password_subject.txt",
        )


def find_account(uid: str, token: str) -> User:
    """The account of a link that works; ResetLinkInvalid otherwise."""
    user = User.objects.filter(pk=_key(uid), is_active=True).first()
    if user is None or not default_token_generator.check_token(user, token):
        raise ResetLinkInvalid
    return user


def reset_password(uid: str, token: str, password: str) -> User:
    """Set the new password; the link works no more, and every session of before is over.

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
