"""`make run`: the whole system on this machine. Serves until Ctrl-C; with `--once`, until the main job is done.

Exit status: 0 when the main job's rows exist (and, without `--once`, when it was stopped), 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

import django
from django.core.exceptions import ImproperlyConfigured

from orchestration.clock import database_now

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    django.setup()
except ImproperlyConfigured as error:
    sys.exit(f"Settings: {error}")

# isort: split
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections
from django.urls import reverse

from apps.accounts.management.commands.seed_demo import PASSWORD
from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope
from apps.devtools.smoke import MAIN_JOB_SCOPES, Client, JobFailed, Outcome, report, run_main_job
from orchestration.conf import clients_settings, engine_settings
from orchestration.engine.node import node_name
from orchestration.engine.worker.process_group import ProcessGroup, adopt_orphans
from orchestration.engine.worker.supervisor import STOP_MARGIN_SECONDS
from orchestration.models import WorkerNode
from orchestration.providers.credentials import address_of

HOST = "127.0.0.1"
TRAINEE, ADMIN = "trainee@example.com", "admin@example.com"
KEY_NAME = "make run"
READY_SECONDS = 90.0
WEB_STOP_SECONDS = 10.0
DEMO = {"HOLD_WITHIN": "0.02"}
"""What is off by default and shown here, unless the environment says otherwise."""
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Refused(Exception):
    """The system cannot be started; the message says why and what to do."""


class Stopped(BaseException):
    """Ctrl-C, or the terminal was closed."""


class Interrupt:
    """Turns a signal into Stopped, but not while a process is being started that would be left running."""

    def __init__(self) -> None:
        self._hold = False
        self._asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        if not self._hold:
            raise Stopped

    def check(self) -> None:
        """Stopped when it was asked for: what a signal raises is lost when it arrives in a finalizer."""
        if self._asked and not self._hold:
            raise Stopped

    @contextmanager
    def held(self) -> Iterator[None]:
        """Signals that arrive inside take effect at the end."""
        self._hold = True
        yield
        self._hold = False
        self.check()


interrupt = Interrupt()


def say(line: str) -> None:
    interrupt.check()
    print(line, flush=True)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    options = parse(arguments)
    for number in STOPPING:
        signal.signal(number, interrupt)
    try:
        prepare(options.port)
        return serve(options.port, once=options.once)
    except (Refused, CommandError) as error:
        print(f"Cannot run: {error}", file=sys.stderr)
        return 1
    except Stopped:
        return 1 if options.once else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="apps.devtools.runner", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the main job")
    parser.add_argument("--port", type=int, default=8000, help="of the web server (8000)")
    options = parser.parse_args(arguments)
    if not 1 <= options.port <= 65535:
        parser.error(f"--port {options.port}: a port is a number from 1 to 65535")
    return options


def prepare(port: int) -> None:
    """Check everything that can be refused before anything starts; then migrate, and create the demo users."""
    if not settings.DEBUG:
        raise Refused(
            "`make run` is the demo, with published passwords; it needs DJANGO_DEBUG=true. docs/production.md"
            " describes how to start the servers in production."
        )
    refuse_busy_port(port)
    call_command("migrate", verbosity=0)
    call_command("seed_demo")


def refuse_busy_port(port: int) -> None:
    """Refused when the port is in use, or this user may not bind it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Refused(
                f"port {port} on {HOST} cannot be used ({error.strerror}). Stop what listens there, or choose another:"
                f" make run PORT={port + 1 if port < 65535 else 8000}"
            ) from error


def serve(port: int, *, once: bool) -> int:
    """Start both servers, run the main job, and stay unless `once`; both servers are stopped in any case."""
    connections.close_all()
    adopt_orphans()
    groups: list[ProcessGroup] = []
    try:
        started = database_now()
        with interrupt.held():
            groups.append(_start("granian", *_granian(port)))
            groups.append(_start("django", "qcluster"))
        wait_until_ready(f"http://{HOST}:{port}", started, groups)
        done = do_main_job(port)
        if once or not done:
            return 0 if done else 1
        print_gateway(port)
        say("Serving until Ctrl-C.")
        _stay(groups)
        return 1
    finally:
        _ignore_signals()
        stop(groups)


def _granian(port: int) -> list[str]:
    options = {"--interface": "asgi", "--host": HOST, "--port": str(port), "--workers": "1", "--log-level": "warning"}
    options["--workers-kill-timeout"] = "5"  # longer than the gateway lets a response continue
    return [*(part for option in options.items() for part in option), "config.asgi:application"]


def _start(module: str, *arguments: str) -> ProcessGroup:
    return ProcessGroup([sys.executable, "-m", module, *arguments], {**DEMO, **os.environ})


def wait_until_ready(base: str, started: datetime, groups: Sequence[ProcessGroup]) -> None:
    """Until the web server answers and the cluster has run its first task; Refused when one exits or the time is up."""
    say(f"starting web server and cluster (node {node_name()})")
    deadline = time.monotonic() + READY_SECONDS
    checks: list[Callable[[], bool]] = [lambda: _answers(base), lambda: _cluster_works(started)]
    while checks:
        interrupt.check()
        if any(group.exited() for group in groups):
            raise Refused("a server exited before it was ready; its message is above.")
        if time.monotonic() > deadline:
            raise Refused(f"the servers were not ready within {READY_SECONDS:g} seconds.")
        checks = [check for check in checks if not check()]
        time.sleep(0.2)


def _answers(base: str) -> bool:
    try:
        return bool(Client(base).get(reverse("readyz"))["ready"])
    except JobFailed:
        return False


def _cluster_works(since: datetime) -> bool:
    return WorkerNode.objects.filter(name=node_name(), task_beat_at__gte=since).exists()


def do_main_job(port: int) -> bool:
    """Run it and print the result; whether its rows are complete."""
    base = f"http://{HOST}:{port}"
    say(_model_notice())
    try:
        outcome = run_main_job(Client(base, key=demo_key(TRAINEE, MAIN_JOB_SCOPES)), say)
    except JobFailed as failure:
        print(f"The main job failed: {failure}", file=sys.stderr)
        return False
    _print_outcome(outcome, base)
    return outcome.complete


def _model_notice() -> str:
    client = clients_settings().clients[clients_settings().default_client]
    if client.is_simulated:
        return (
            "Answers are SIMULATED: no model is called and nothing costs money. Set ORCA_PROVIDER_API_KEY (or"
            " OPENAI_API_KEY, and OPENAI_BASE_URL for another server) to use a real one."
        )
    return f"A real model answers: {client.model} at {address_of(client)}."


def _print_outcome(outcome: Outcome, base: str) -> None:
    say("What was persisted:")
    for line in report(outcome):
        say(f"  {line}")
    if not outcome.complete:
        print("The rows of the main job are incomplete.", file=sys.stderr)
    say(f"Pages: {base}{reverse('home')}  sign in as {TRAINEE}, password {PASSWORD}; `manage.py demo` fills them")
    say(f"Admin: {base}{reverse('admin:index')}  sign in as {ADMIN}, password {PASSWORD}")


def print_gateway(port: int) -> None:
    """Where the gateway is, and a key for it."""
    secret = demo_key(ADMIN, [Scope.GATEWAY_CALL])
    say(f"Gateway: export OPENAI_BASE_URL=http://{HOST}:{port}/v1 OPENAI_API_KEY={secret}")


def demo_key(email: str, scopes: Sequence[Scope]) -> str:
    """The secret of this user's key for this command: always the same key, with a new secret each time."""
    owner = User.objects.get(email=email)
    made = ApiKey.objects.usable().filter(owner=owner, name=KEY_NAME).first()
    secret = made.rotate() if made is not None else None
    return secret or ApiKey.issue(owner, KEY_NAME, scopes)[1]


def _stay(groups: Sequence[ProcessGroup]) -> None:
    """Wait until a server exits by itself; Ctrl-C raises Stopped."""
    while not any(group.exited() for group in groups):
        interrupt.check()
        time.sleep(0.5)
    print("A server exited; its message is above.", file=sys.stderr)


def stop(groups: Sequence[ProcessGroup]) -> None:
    """Terminate every server, wait for as long as running calls may take, then kill what is left."""
    for group in groups:
        group.terminate()
    deadline = time.monotonic() + engine_settings().GRACE_SECONDS + STOP_MARGIN_SECONDS + WEB_STOP_SECONDS
    for group in groups:
        group.wait(max(0.0, deadline - time.monotonic()))
    for group in groups:
        group.kill()


def _ignore_signals() -> None:
    """A second Ctrl-C must not interrupt the stop."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
