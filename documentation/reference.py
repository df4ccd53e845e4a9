"""The reference, read from the code: settings, commands, REST, signals, metrics and error codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from django.core.management import get_commands, load_command_class
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from config.api import api
from documentation.source import constants, findings, variables
from orchestration import conf, errors
from orchestration.operations import operations as declared_operations
from orchestration.providers import errors as provider_errors
from orchestration.typed_settings import OTHER_SETTINGS
from persistence.conf import PersistenceSettings
from persistence.errors import DecisionRefused

ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, type[BaseModel]] = {
    "ORCHESTRAI": conf.EngineSettings,
    "ORCHESTRAI, persistence": PersistenceSettings,
    "ORCHESTRAI, each of LIMITS": conf.LimitSettings,
    "ORCA_CONFIG": conf.ClientsSettings,
    "ORCA_CONFIG, each client": conf.ClientSettings,
}
PACKAGES = ("orchestration", "persistence")
KindT = TypeVar("KindT", bound="errors.OrchestrationError | DecisionRefused")
METHODS = ("get", "post", "put", "patch", "delete")


def pages() -> dict[str, str]:
    """Each page by its path below docs/, as Markdown."""
    return {
        f"reference/{name}.md": "\n".join(lines) + "\n"
        for name, lines in {
            "settings": settings(),
            "commands": commands(),
            "rest": rest(),
            "signals": signals(),
            "metrics": metrics(),
            "errors": error_codes(),
            "checks": checks(),
            "environment": environment(),
        }.items()
    }


def settings() -> Iterator[str]:
    """Every key with its type, its default and what it means."""
    yield "# Settings\n\nRead from the models that check them; `manage.py check` names a wrong or unknown key.\n"
    for title, model in SETTINGS.items():
        yield f"## {title}\n\n{_one_line(model.__doc__)}\n\n| key | type | default | |\n|---|---|---|---|"
        described = attribute_docs(model)
        for name, field in model.model_fields.items():
            default = "required" if field.default is PydanticUndefined and field.default_factory is None else ""
            value = default or f"`{field.get_default(call_default_factory=True)!r}`"
            yield _row(f"`{name}`", f"`{_annotation(model, name)}`", value, described.get(name, ""))
        yield ""
    yield "## Other settings of Django\n\nBesides `Q_CLUSTER`, which `q_cluster` makes.\n\n| setting | |\n|---|---|"
    for name, meaning in OTHER_SETTINGS.items():
        yield _row(f"`{name}`", meaning)


def environment() -> Iterator[str]:
    """Every variable that the example project reads, from the one module that does."""
    yield "# Environment\n\nOf the example project; [Production](../production.md) says which of them matter.\n"
    yield "| variable | default | |\n|---|---|---|"
    told = _told_by_production()
    for name, default, meaning in sorted(variables("config/env.py")):
        yield _row(f"`{name}`", f"`{default}`" if default else "", meaning or told.get(name, ""))


def _told_by_production() -> dict[str, str]:
    """What the table of docs/production.md says of each variable."""
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*) \|$", (ROOT / "docs/production.md").read_text(), re.MULTILINE)
    return {name: meaning for named, meaning in rows for name in re.findall(r"`([A-Z_]+)", named)}


def checks() -> Iterator[str]:
    """Every finding of the system checks and of the doctor."""
    yield (
        "# Checks\n\nWhat `manage.py check --deploy --database default` and `manage.py doctor` find; each is"
        " `package.id`, and comes with what to do. E stops a deployment, W does not.\n\n"
        "| package | findings |\n|---|---|"
    )
    for package, said in findings(*PACKAGES, "config", "apps"):
        yield _row(f"`{package.rpartition('/')[2]}`", said)


def commands() -> Iterator[str]:
    """Every command of the two apps, as its `--help` says it."""
    yield "# Commands\n\nOf `manage.py`. Each also has Django's own options, such as `--settings` and `--verbosity`.\n"
    for name, app in sorted(get_commands().items()):
        if app not in PACKAGES:
            continue
        command = load_command_class(str(app), name)
        yield f"## {name}\n\n{_cell(str(command.help))}\n"
        parser = command.create_parser("manage.py", name)
        own = [
            action for action in parser._actions if action.dest not in command.base_stealth_options and _is_own(action)
        ]
        if own:
            yield "| option | |\n|---|---|"
            for action in own:
                given = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.dest.upper()}`"
                text = (action.help or "") % {**vars(action), "prog": "manage.py"}
                yield _row(given, text)
            yield ""


BUILT_IN = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}


def _is_own(action: Any) -> bool:
    return action.dest not in BUILT_IN


def rest() -> Iterator[str]:
    """Every operation of the routers of the two packages, by its path."""
    yield (
        "# REST\n\nThe paths are those of the example project, below `/api/v1`. Your project has them where it adds the"
        " routers; its own `docs` page shows bodies and answers in full.\n\n| method | path | |\n|---|---|---|"
    )
    for path, operations in sorted(api.get_openapi_schema()["paths"].items()):
        for method in METHODS:
            operation = operations.get(method)
            if operation and _is_of_the_packages(path, method):
                yield _row(f"`{method.upper()}`", f"`{path}`", _described(operation))


def _is_of_the_packages(path: str, method: str) -> bool:
    for prefix, router in api._routers:
        for own, view in router.path_operations.items():
            whole = f"/api/v1/{prefix}/{own}".replace("{int:", "{").replace("{uuid:", "{").replace("{str:", "{")
            if re.sub("/+", "/", whole) != path:
                continue
            for operation in view.operations:
                if method.upper() in operation.methods:
                    return str(operation.view_func.__module__).partition(".")[0] in PACKAGES
    return False


def _described(operation: dict[str, Any]) -> str:
    return f"{operation.get('summary', '')}. {_one_line(operation.get('description'))}"


def signals() -> Iterator[str]:
    """What is declared in the modules of signals, with the words beside it."""
    module = import_module("orchestration.signals")
    yield f"# Signals\n\n{(module.__doc__ or '').strip()}\n\n| signal | import from | carries besides |\n|---|---|---|"
    for package in PACKAGES:
        source = (ROOT / package / "signals.py").read_text()
        for name, said in re.findall(r"^(\w+) = EngineSignal\(\)(?:  # (.*))?$", source, re.MULTILINE):
            if said and not said.startswith("every"):
                yield _row(f"`{name}`", f"`{package}.signals`", said)


def metrics() -> Iterator[str]:
    """What `/metrics` shows, from the statements that write it."""
    yield "# Metrics\n\nAt `/metrics`, in the text format of Prometheus.\n\n| name | type | |\n|---|---|---|"
    for found in constants("_metric", "orchestration"):
        if found:
            name, kind, text = map(str, found)
            yield _row(f"`orchestrai_{name}`", kind, text)
    for name, kind, text in constants("Metric", "persistence"):
        yield _row(f"`orchestrai_{name}`", str(kind), str(text))
    for name, kind, text in constants("Metric", "apps"):
        yield _row(f"`orchestrai_{name}`", str(kind), f"{text} Of the example project.")


def error_codes() -> Iterator[str]:
    """Every code that a call, an answer of REST or an exception may carry."""
    yield "# Error codes\n\nThe `error_code` of a call, and `code` in an answer of REST.\n"
    yield "| code | what it says | from |\n|---|---|---|"
    found = {(kind.code, _one_line(kind.__doc__), f"`{kind.__name__}`") for kind in _kinds(errors.OrchestrationError)}
    meanings = [*provider_errors.BY_STATUS.values(), provider_errors.REFUSED, provider_errors.FAILED]
    for meaning in meanings:
        again = "the provider; tried again" if meaning.retryable else "the provider; not tried again"
        found.add((meaning.code, meaning.message, again))
    for given in constants("ApiError", *PACKAGES):
        if len(given) > 1 and "…" not in str(given[1]):
            status, code, *message = given
            found.add((str(code), str(*message), f"REST, {status}"))
    found |= {(kind.code, _one_line(kind.__doc__), f"`{kind.__name__}`") for kind in _kinds(DecisionRefused)}
    for operation in declared_operations():
        found.add((f"{operation.name}_refused", f"{operation.title}: the reason is in the message.", "REST, 409"))
    for code, text, origin in sorted(found):
        yield _row(f"`{code}`", text, origin)


def _kinds(kind: type[KindT]) -> Iterator[type[KindT]]:
    """A class of errors and its subclasses of the two packages."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__.partition(".")[0] in PACKAGES:
            yield from _kinds(below)


# --- reading source -------------------------------------------------------------------------


def _class_body(model: type[BaseModel]) -> list[ast.stmt]:
    source = (ROOT / (model.__module__.replace(".", "/") + ".py")).read_text()
    nodes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return next(node.body for node in nodes if node.name == model.__name__)


def attribute_docs(model: type[BaseModel]) -> dict[str, str]:
    """The text below each attribute of a class."""
    found: dict[str, str] = {}
    body = _class_body(model)
    for before, after in pairwise(body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and is_text:
            found[before.target.id] = _one_line(str(after.value.value))  # type: ignore[attr-defined]
    return found


def _annotation(model: type[BaseModel], name: str) -> str:
    """As it is written, without the wrapping that says in which range a value must be."""
    for node in _class_body(model):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return re.sub(r"Annotated\[(\w+), Field\((.*?)\)\]", r"\1 (\2)", ast.unparse(node.annotation))
    return ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|").replace("<", "&lt;")


def _row(*cells: Iterable[str] | str) -> str:
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"
