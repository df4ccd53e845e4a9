"""The pages about accounts."""

from django.urls import path

from apps.accounts import pages

app_name = "accounts"

urlpatterns = [
    path("sign-in", pages.SignIn.as_view(), name="sign_in"),
    path("sign-out", pages.SignOut.as_view(), name="sign_out"),
    path("forgotten", pages.ForgottenPassword.as_view(), name="forgotten"),
    path("forgotten/sent", pages.MailSent.as_view(), name="mail_sent"),
    path("new-password/<uidb64>/<token>", pages.NewPassword.as_view(), name="new_password"),
    path("new-password/done", pages.PasswordSet.as_view(), name="password_set"),
    path("claim", pages.claim_form, name="claim_form"),
    path("claim/<str:token>", pages.follow_invitation, name="claim"),
]
