"""The pages of the training platform."""

from django.urls import path

from apps.training.views import board, chat, feedback, invitations, notes, scenarios, trainee

app_name = "training"
ONE = "simulations/<uuid:simulation_id>"

urlpatterns = [
    path("", trainee.home, name="home"),
    path("simulations", trainee.mine, name="mine"),
    path(ONE, chat.chat, name="chat"),
    path(f"{ONE}/live", chat.live, name="live"),
    path(f"{ONE}/say", chat.say, name="say"),
    path(f"{ONE}/order", chat.order, name="order"),
    path(f"{ONE}/picture", chat.picture, name="picture"),
    path(f"{ONE}/messages/<int:message_id>/retry", chat.retry, name="retry"),
    path(f"{ONE}/retry-opening", chat.retry_opening, name="retry_opening"),
    path(f"{ONE}/end", chat.end, name="end"),
    path(f"{ONE}/feedback", feedback.feedback, name="feedback"),
    path(f"{ONE}/feedback/live", feedback.live, name="feedback_live"),
    path(f"{ONE}/feedback/ask", feedback.ask, name="ask"),
    path(f"{ONE}/feedback/questions/<int:question_id>/retry", feedback.ask_again, name="ask_again"),
    path(f"{ONE}/feedback/regenerate", feedback.regenerate, name="regenerate"),
    path(f"{ONE}/debrief", board.debrief, name="debrief"),
    path(f"{ONE}/watch", board.watch, name="watch"),
    path(f"{ONE}/watch/live", board.watch_live, name="watch_live"),
    path(f"{ONE}/commands/<slug:kind>", board.command, name="command"),
    path(f"{ONE}/notes", notes.add, name="note"),
    path(f"{ONE}/notes/<int:note_id>", notes.edit, name="edit_note"),
    path("board", board.board, name="board"),
    path("board/live", board.board_live, name="board_live"),
    path("scenarios", scenarios.scenarios, name="scenarios"),
    path("scenarios/import", scenarios.take_in, name="import"),
    path("scenarios/new", scenarios.new, name="new_scenario"),
    path("scenarios/<uuid:scenario_id>", scenarios.edit, name="scenario"),
    path("scenarios/<uuid:scenario_id>/pictures", scenarios.add, name="add_picture"),
    path("scenarios/<uuid:scenario_id>/pictures/<uuid:image_id>", scenarios.picture, name="scenario_picture"),
    path("scenarios/<uuid:scenario_id>/archive", scenarios.archive, name="archive"),
    path("scenarios/<uuid:scenario_id>/start", scenarios.start, name="start_scenario"),
    path("assignments", scenarios.assignments, name="assignments"),
    path("assignments/<int:assignment_id>/start", scenarios.start_assigned, name="start_assignment"),
    path("assignments/<int:assignment_id>/withdraw", scenarios.take_back, name="withdraw"),
    path("invitations", invitations.invitations, name="invitations"),
    path("invitations/<int:invitation_id>/resend", invitations.send_again, name="resend_invitation"),
    path("invitations/<int:invitation_id>/revoke", invitations.withdraw, name="revoke_invitation"),
]
