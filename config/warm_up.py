"""Loads at the start what the first request would otherwise have to load."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import get_hashers
from django.contrib.auth.password_validation import get_default_password_validators
from django.core.cache import caches
from django.core.files.storage import default_storage
from django.db.migrations.loader import MigrationLoader
from django.forms.renderers import get_default_renderer
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.loader import get_template
from django.urls import get_resolver

from apps.gateway.masking.national_ids import compile_patterns
from orchestration.engine.garbage_collection import spare_what_is_loaded

CONSOLE = ("admin/", "unfold/helpers/", "unfold/layouts/")


def warm_up() -> None:
    """Load URLs (with them the APIs and the console's pages), templates and the code for signing in.

    For processes that serve requests, once, before the first. Uses no database and no other server.
    """
    resolver = get_resolver()
    _ = resolver.reverse_dict, resolver.namespace_dict, resolver.app_dict
    for name in ("persistence.admin.navigation", "apps.shell.console"):  # the settings name their functions
        import_module(name)
    get_hashers()
    get_default_password_validators()
    get_default_renderer()
    _ = caches[settings.CACHE_MIDDLEWARE_ALIAS], default_storage.__class__
    _ = engines["django"].engine.template_context_processors
    for name in own_templates():
        get_template(name)
    for name in console_templates():
        with suppress(TemplateSyntaxError, TemplateDoesNotExist):  # of a part that is not installed
            get_template(name)
    MigrationLoader(None)  # imports them, for /readyz
    compile_patterns()
    spare_what_is_loaded()


def console_templates() -> list[str]:
    """The names of the admin templates of Django, unfold and import-export."""
    folders = [Path(apps.get_app_config(label).path) / "templates" for label in ("admin", "unfold", "import_export")]
    names = {str(file.relative_to(folder)) for folder in folders for file in folder.rglob("*.html")}
    return sorted(name for name in names if name.startswith(CONSOLE))


def own_templates() -> list[str]:
    """The names of the templates of this project; others are loaded with them where they extend them."""
    folders = {Path(folder) for engine in engines.all() for folder in engine.dirs}
    folders |= {Path(config.path) / "templates" for config in apps.get_app_configs()}
    mine = [folder for folder in folders if folder.is_relative_to(settings.BASE_DIR) and folder.is_dir()]
    mine = [folder for folder in mine if ".venv" not in folder.parts and "site-packages" not in folder.parts]
    return sorted(str(file.relative_to(folder)) for folder in mine for file in folder.rglob("*") if file.is_file())
