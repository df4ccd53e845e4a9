"""The pages about accounts."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"

urlpatterns = [
    path("sign-in", views.SignIn.as_view(), name="sign_in"),
    path("sign-out", views.SignOut.as_view(), name="sign_out"),
    path("forgotten", views.ForgottenPassword.as_view(), name="forgotten"),
    path("forgotten/sent", views.MailSent.as_view(), name="mail_sent"),
    path("new-password/<uidb64>/<token>", views.NewPassword.as_view(), name="new_password"),
    path("new-password/done", views.PasswordSet.as_view(), name="password_set"),
    path("claim", views.claim_form, name="claim_form"),
    path("claim/<str:token>", views.follow_invitation, name="claim"),
]
