"""The forms of the account pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.core.exceptions import ValidationError

from apps.accounts.models.roles import UserRole
from apps.accounts.services.sign_in import TooManyAttempts, WrongCredentials, who_signs_in


class RateLimitedForm(AuthenticationForm):
    """A sign-in form with a rate limit."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if self.request is not None and email and password:
            try:
                self.user_cache = who_signs_in(self.request, email, password)
            except TooManyAttempts as error:
                raise ValidationError(str(error)) from error
            except WrongCredentials as error:
                raise ValidationError(
                    "The email or the password is wrong. Check both, or reset your password."
                ) from error
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


class SignInForm(RateLimitedForm):
    """The sign-in form of the pages."""


class ConsoleSignInForm(RateLimitedForm, AdminAuthenticationForm):
    """The sign-in form of the console. Who may not use it gets the same message as everybody."""


class ClaimForm(SetPasswordForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Name and password of a new account."""

    first_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    field_order = ("first_name", "last_name", "new_password1", "new_password2")


class InvitationForm(forms.Form):
    """Whom to invite, and in which role."""

    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=())

    def __init__(self, *args: Any, roles: frozenset[UserRole], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(role.value, role.label) for role in UserRole if role in roles]
        self.fields["role"].choices = offered  # type: ignore[attr-defined]  # is a ChoiceField
