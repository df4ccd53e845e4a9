"""The Django app `accounts`."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It registers itself; it needs loaded models, so it cannot be imported at the top.
        import_module("apps.accounts.receivers")
        import_module("apps.accounts.erasure").register()
        from apps.accounts.auth import why_not_usable
        from apps.accounts.throttle import seconds_to_wait
        from persistence.bulk.rights import add_call_limit, add_credential_check

        add_credential_check(why_not_usable)
        add_call_limit(seconds_to_wait)
