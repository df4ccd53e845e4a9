"""The pages of the consensus engine."""

from django.urls import path

from apps.consensus import views

app_name = "consensus"

urlpatterns = [
    path("", views.history, name="history"),
    path("new", views.new, name="new"),
    path("runs/<any_uuid:run_id>", views.run, name="run"),
    path("runs/<any_uuid:run_id>/revise", views.revise, name="revise"),
    path("runs/<any_uuid:run_id>/retry", views.retry, name="retry"),
    path("runs/<any_uuid:run_id>/cancel", views.cancel, name="cancel"),
    path("runs/<any_uuid:run_id>/diff/<any_uuid:other_id>", views.diff, name="diff"),
]
