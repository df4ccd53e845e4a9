"""The forms of the pages about one's account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm as ConsoleForm

from apps.accounts.roles import UserRole
from apps.accounts.signing_in import TooManyAttempts, WrongCredentials, who_signs_in


class Slowed(AuthenticationForm):
    """Asks who it is at most so often."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if self.request is not None and email and password:
            try:
                self.user_cache = who_signs_in(self.request, email, password)
            except TooManyAttempts as error:
                raise ValidationError(str(error)) from error
            except WrongCredentials as error:
                raise ValidationError(
                    "This email and password do not belong together. Check both, or set a new password."
                ) from error
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


class SignInForm(Slowed):
    """Of the pages."""


class ConsoleSignInForm(Slowed, ConsoleForm):
    """Of the console: whoever may not use it is told what everybody is told."""


class ClaimForm(SetPasswordForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Name and password of a new account."""

    first_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "family-name"}))
    field_order = ("first_name", "last_name", "new_password1", "new_password2")


class InvitationForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=())

    def __init__(self, *args: Any, roles: frozenset[UserRole], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(role.value, role.label) for role in UserRole if role in roles]
        self.fields["role"].choices = offered  # type: ignore[attr-defined]  # is a ChoiceField
