"""The account pages: sign-in and sign-out, password reset, claiming an invitation."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.client_ip import client_address
from apps.accounts.emails import delivers
from apps.accounts.errors import AccountRefused, WeakPassword
from apps.accounts.forms import ClaimForm, SignInForm
from apps.accounts.models import User
from apps.accounts.services.invitations import claim, find_open
from apps.accounts.services.password_reset import request_reset
from apps.accounts.throttle import CLAIMS, RESETS
from orchestration.api.errors import ApiError

CLAIMED_TOKEN = "invitation"  # noqa: S105 - a session key


class SignIn(views.LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True
    next_page = "home"


class SignOut(views.LogoutView):
    next_page = "accounts:sign_in"


class ForgottenPassword(views.PasswordResetView):
    """The response is the same whether or not there is such an account."""

    template_name = "accounts/forgotten.html"
    success_url = reverse_lazy("accounts:mail_sent")

    def form_valid(self, form: Any) -> HttpResponse:
        email = form.cleaned_data["email"].lower()
        try:
            CLAIMS.check(client_address(self.request), "attempts")
            RESETS.check(email, "emails to one address")
            request_reset(email, self.request)
        except (AccountRefused, ApiError) as error:
            form.add_error(None, str(error))
            return self.render_to_response(self.get_context_data(form=form), status=error.status)
        return redirect(self.get_success_url())


class MailSent(views.PasswordResetDoneView):
    """In development the email is written to a terminal, or into a folder; the page says where."""

    template_name = "accounts/mail_sent.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, delivers=delivers())


class NewPassword(views.PasswordResetConfirmView):
    """The token is moved from the address into the session before the page is shown."""

    template_name = "accounts/new_password.html"
    success_url = reverse_lazy("accounts:password_set")


class PasswordSet(views.PasswordResetCompleteView):
    template_name = "accounts/password_set.html"


@require_GET
@never_cache
def follow_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Move the token from the address, where others might read it, into the session.

    Only a valid one is kept, so that visitors cannot create any number of sessions.
    """
    try:
        CLAIMS.check(client_address(request), "attempts")
        find_open(token)
    except (AccountRefused, ApiError) as error:
        return render(request, "accounts/claim_refused.html", {"reason": str(error)}, status=error.status)
    request.session[CLAIMED_TOKEN] = token
    return redirect("accounts:claim_form")


@require_http_methods(["GET", "POST"])
@never_cache
def claim_form(request: HttpRequest) -> HttpResponse:
    """The form for name and password, which creates the account and signs its owner in."""
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
