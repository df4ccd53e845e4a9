"""What the applications add to the console's menu: their icons, and places in its groups."""

from persistence.admin.navigation import add_to_menu

ICONS = {
    "gateway.Interaction": "sync_alt",
    "accounts.User": "person",
    "accounts.ApiKey": "key",
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

add_to_menu(ICONS, Gateway=("gateway.Interaction", "accounts.ApiKey"), Access=("accounts.User", "accounts.Invitation"))
