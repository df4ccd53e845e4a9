"""What the applications add to the console's menu: their entries, and the icons of their lists."""

from persistence.admin.menu import ACCESS, GATEWAY, PLATFORM, PROMPTS, Entry, add_entries, add_to_index

ICONS = {
    "accounts.User": "person",
    "accounts.Invitation": "mail",
    "simulation.Simulation": "stethoscope",
    "simulation.SimulationMetadata": "labs",
    "simulation.SimulationFeedback": "rate_review",
    "simulation.FeedbackQuestion": "contact_support",
    "simulation.SimulationImage": "image",
    "simulation.SimulationEvent": "bolt",
    "trainerlab.ScenarioTemplate": "description",
    "trainerlab.Assignment": "assignment_ind",
    "trainerlab.TrainerSession": "co_present",
    "trainerlab.SessionEvent": "campaign",
    "trainerlab.InstructorNote": "sticky_note_2",
    "chatlab.Message": "chat",
    "chatlab.ChatSession": "forum",
    "consensus.PromptSet": "dictionary",
    "consensus.Persona": "psychology",
    "consensus.Run": "how_to_vote",
}

add_entries(
    GATEWAY,
    Entry(title="Keys", key="k", icon="key", model="accounts.ApiKey"),
    Entry(
        title="Usage",
        key="u",
        icon="bar_chart",
        page="admin:gateway_interaction_usage",
        permission="gateway.view_interaction",
    ),
    Entry(title="Requests", key="e", icon="sync_alt", model="gateway.Interaction"),
)
add_to_index(PROMPTS, "consensus.PromptSet", "consensus.Persona")
add_to_index(ACCESS, "accounts.User", "accounts.Invitation")
add_to_index(PLATFORM, icons=ICONS)
