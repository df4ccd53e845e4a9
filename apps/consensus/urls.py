"""The pages of the consensus engine."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, reverse_lazy

from apps.accounts.forms import SignInForm
from apps.consensus import views

app_name = "consensus"

sign_in = LoginView.as_view(
    template_name="consensus/sign_in.html",
    authentication_form=SignInForm,
    next_page=reverse_lazy("consensus:history"),
    redirect_authenticated_user=True,
)

urlpatterns = [
    path("", views.history, name="history"),
    path("new", views.new, name="new"),
    path("runs/<uuid:run_id>", views.run, name="run"),
    path("runs/<uuid:run_id>/revise", views.revise, name="revise"),
    path("runs/<uuid:run_id>/retry", views.retry, name="retry"),
    path("runs/<uuid:run_id>/cancel", views.cancel, name="cancel"),
    path("runs/<uuid:run_id>/diff/<uuid:other_id>", views.diff, name="diff"),
    path("sign-in", sign_in, name="sign_in"),
    path("sign-out", LogoutView.as_view(next_page=reverse_lazy("consensus:sign_in")), name="sign_out"),
]
