"""The OrchestrAI app of this project; `settings.ORCA_ENTRYPOINT` names `get_orca`."""

from __future__ import annotations

from orchestration.components.lifecycle import OrchestrAI, configure_from_django_settings

app = OrchestrAI()
configure_from_django_settings(app)


def get_orca() -> OrchestrAI:
    """The app, which starts when Django has."""
    return app
