"""`manage.py orca_init APP`: a service, its schema, its prompt, a handler, a model and a test, in an app of yours."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError

from orchestration.management.base import PlainCommand

SCAFFOLD = "persistence.scaffold"


class Command(PlainCommand):
    help = "Write a first service into an app: APP/orca/, a model in APP/models.py, and a test. Changes no other line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("app", help="The label of an app in INSTALLED_APPS.")
        parser.add_argument("--name", default="TicketAnswer", help="In capitals, as a class (default: %(default)s).")

    def handle(self, *args: Any, **options: Any) -> None:
        config, name = _app(options["app"]), options["name"]
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
            raise CommandError(f"--name {name!r} is not a name of a class, such as TicketAnswer.")
        module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        folder = Path(config.path)
        written = {
            folder / "orca" / "__init__.py": "",
            folder / "orca" / f"{module}.py": _filled("components", name=name, app=config.name, module=module),
            folder / f"test_{module}.py": _filled("test", name=name, app=config.name, module=module),
        }
        models = folder / "models.py"
        if not models.exists():
            raise CommandError(f"{models} does not exist: the model of the answers is written at its end.")
        taken = [path for path, text in written.items() if text and path.exists()]
        if taken or re.search(rf"^class {name}\b", models.read_text(), re.MULTILINE):
            raise CommandError(f"{taken[0] if taken else f'{name} in {models}'} exists: choose another --name.")
        (folder / "orca").mkdir(exist_ok=True)
        for path, text in written.items():
            if not path.exists():
                path.write_text(text)
        imported = "" if "import models" in models.read_text() else "\nfrom django.db import models\n"
        models.write_text(models.read_text().rstrip("\n") + "\n" + imported + _filled("model", name=name))
        self.stdout.write(
            "\n".join([*(f"wrote {path}" for path, text in written.items() if text), f"added to {models}"])
        )
        self.stdout.write(
            f"Next: manage.py makemigrations {config.label}; manage.py migrate; manage.py test {config.name}"
        )


def _app(label: str) -> Any:
    try:
        return apps.get_app_config(label)
    except LookupError as error:
        known = ", ".join(sorted(config.label for config in apps.get_app_configs()))
        raise CommandError(f"{label!r} is not the label of an installed app; they are {known}.") from error


def _filled(template: str, **names: str) -> str:
    return Template(files(SCAFFOLD).joinpath(f"{template}.py-tpl").read_text()).substitute(names)
