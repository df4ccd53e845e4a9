"""The Django app `consensus`."""

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsensusConfig(AppConfig):
    name = "apps.consensus"
    label = "consensus"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These register themselves; they need loaded models, so they cannot be imported at the top.
        import_module("apps.consensus.checks")
        import_module("apps.consensus.objections")
        import_module("apps.consensus.receivers")
        import_module("apps.consensus.erasure").register()
        install = import_module("apps.consensus.prompt_sets.install")
        post_migrate.connect(install.install_after_migrate, sender=self, dispatch_uid="consensus.default_prompts")
