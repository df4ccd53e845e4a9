"""Pages about one's account: signing in and out, a new password, an invitation claimed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.addresses import client_address
from apps.accounts.api_invitations import CLAIMS, RESETS
from apps.accounts.errors import AccountRefused, WeakPassword
from apps.accounts.forms import ClaimForm, SignInForm
from apps.accounts.inviting import claim, find_open
from apps.accounts.models import User
from orchestration.api_errors import ApiError

CLAIMED_TOKEN = "invitation"  # noqa: S105 - a session key


class SignIn(views.LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    next_page = "home"


class SignOut(views.LogoutView):
    next_page = "accounts:sign_in"


class ForgottenPassword(views.PasswordResetView):
    """Says the same whether or not there is such an account."""

    template_name = "accounts/forgotten.html"
    email_template_name = "accounts/mail/new_password.txt"
    subject_template_name = "accounts/mail/new_password_subject.txt"
    success_url = reverse_lazy("accounts:mail_sent")

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            RESETS.check(form.cleaned_data["email"].lower(), "letters")
        except ApiError as error:
            form.add_error(None, error.message)
            return self.form_invalid(form)
        return super().form_valid(form)


class MailSent(views.PasswordResetDoneView):
    template_name = "accounts/mail_sent.html"


class NewPassword(views.PasswordResetConfirmView):
    """The token leaves the address before the page is shown."""

    template_name = "accounts/new_password.html"
    success_url = reverse_lazy("accounts:password_set")


class PasswordSet(views.PasswordResetCompleteView):
    template_name = "accounts/password_set.html"


@require_GET
@never_cache
def follow_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The token leaves the address, where others might read it, before the page is shown."""
    request.session[CLAIMED_TOKEN] = token
    return redirect("accounts:claim_form")


@require_http_methods(["GET", "POST"])
@never_cache
def claim_form(request: HttpRequest) -> HttpResponse:
    """Name and password; then the account exists and its owner is signed in."""
    token = request.session.get(CLAIMED_TOKEN, "")
    try:
        CLAIMS.check(client_address(request), "attempts")
        invitation = find_open(token)
        form = ClaimForm(User(email=invitation.email), request.POST or None)
        if request.method == "POST" and form.is_valid():
            names = {name: form.cleaned_data[name] for name in ("first_name", "last_name")}
            user = claim(token, form.cleaned_data["new_password1"], **names)
            del request.session[CLAIMED_TOKEN]
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("home")
    except WeakPassword as error:
        form.add_error("new_password1", error.reasons)
    except (AccountRefused, ApiError) as error:
        return render(request, "accounts/claim_refused.html", {"reason": str(error)}, status=error.status)
    context = {"form": form, "invitation": invitation}
    return render(request, "accounts/claim.html", context, status=422 if form.errors else 200)
