"""The production example outside a container: deploy/compose.yaml on PostgreSQL and Redis, under load.

Built by the commands of deploy/Dockerfile, started as the compose file says, behind a small proxy. Metrics are scraped,
a node is killed, every process is replaced without a failed request, a backup is restored and compared, and
`manage.py doctor` is content. Needs the packages of requirements-dev.txt, a PostgreSQL and `redis-server`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.deploy.declared import DEPLOY, HOME, ROOT, of_compose
from tests.deploy.machine import Machine, Running, drop_database, free_port, new_database
from tests.deploy.proxy import Proxy
from tests.deploy.traffic import Load, ask, replaced
from tests.environment import answers, postgres_url
from tests.waiting import until

TOKEN = "inside-the-newcomers-network"
BEHIND_TLS = {"Host": "orchestrai.example.com", "X-Forwarded-Proto": "https"}
"""What the proxy of a deployment sends."""
SIMULATIONS = "/api/v1/simulations"
PATIENT = {"sim_patient_full_name": "Maria Alvarez", "diagnosis": "appendicitis", "chief_complaint": "belly pain"}
ISSUE_KEY = """
from decimal import Decimal
from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, UserRole
from orchestration.models import ModelPrice
user = User.objects.create_user("trainee@example.com", "a-long-and-quiet-word-7", role=UserRole.TRAINEE)
price = dict.fromkeys(("input_per_million", "cached_input_per_million", "output_per_million"), Decimal(1))
ModelPrice.objects.create(provider="simulator", model="gpt-4o-mini", **price)
print("key", ApiKey.issue(user, "load", [Scope.SIMULATIONS_READ, Scope.SIMULATIONS_WRITE])[1])
"""
COUNTS = """
from orchestration.models import ServiceCallRecord
from apps.chatlab.models import Message
from persistence.models import PersistedChunk
calls = ServiceCallRecord.objects.all()
answered = Message.objects.filter(is_from_ai=True).order_by().values("simulation").distinct()
persisted, others = calls.filter(domain_persist_state="persisted"), calls.exclude(status="succeeded")
print("counts", calls.count(), persisted.count(), PersistedChunk.objects.count(), answered.count(), others.count())
"""


def missing() -> str:
    """What this machine lacks for it, and how to get it; empty when nothing is."""
    if not answers(postgres_url()):
        return "no PostgreSQL answers at DATABASE_URL or 127.0.0.1:5432: start one, or set DATABASE_URL"
    if shutil.which("redis-server") is None:
        return "there is no redis-server: apt-get install redis-server"
    return ""


def run(folder: Path, python: str, say: Callable[[str], None]) -> None:
    """All of it, in an empty folder, with the interpreter for the image's environment; AssertionError or
    CalledProcessError says what failed."""
    image = build_image(folder / "image", python, say)
    name = f"newcomer_{os.getpid()}"
    with ExitStack() as open_:
        database = open_.enter_context(new_database(postgres_url(), name))
        redis = open_.enter_context(redis_server(folder))
        more = {"ORCA_INSIDE_TOKEN": TOKEN, "ORCA_ASKING_PER_MINUTE": "100000", "ORCA_WRITES_PER_MINUTE": "100000"}
        machine = Machine(folder, database, redis, image, image / ".venv/bin/python", more)
        Installation(machine, open_, say).prove(name)


def build_image(folder: Path, python: str, say: Callable[[str], None]) -> Path:
    """Follow the instructions of the Dockerfile's first stage."""
    folder.mkdir()
    stage = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")[1].replace("\\\n", " ")
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "")}
    variables |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))}
    for line in stage.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "ENV":
            variables |= dict(pair.split("=", 1) for pair in rest.split() if not pair.startswith("PIP_NO_CACHE"))  # type: ignore[misc]
        elif kind == "COPY":
            source, target = rest.split()
            _copy(ROOT / source, folder / target)
        elif kind == "RUN":
            command = rest.replace(HOME, str(folder)).replace("/tmp/var", str(folder / "var"))  # noqa: S108 - the image's
            say(f"image$ {command[:110]}")
            command = re.sub(r"^python ", f"{python} ", command)
            subprocess.run(["sh", "-ec", command], cwd=folder, env=variables, check=True)
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        place = target / source.name if target.is_dir() or not target.suffix else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The URL of a Redis of its own, with the options of the compose file."""
    port = str(free_port())
    command = ["redis-server", "--save", "", "--appendonly", "no", "--port", port, "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(20)


class Installation:
    """The processes of the compose file, and what is done to them."""

    def __init__(self, machine: Machine, open_: ExitStack, say: Callable[[str], None]) -> None:
        self.machine, self.open, self.say = machine, open_, say
        self.declared = {process.name: process for process in of_compose()}
        self.proxy = open_.enter_context(Proxy())
        self.operator = machine.adapted(self.declared["migrate"])

    def prove(self, database: str) -> None:
        self.manage("migrate", "--noinput")
        webs = [self.start(name) for name in ("web", "stream")]
        nodes = [self.start(name) for name in ("workers-1", "workers-2")]
        for each in [*webs, *nodes]:
            each.wait_until_healthy()
        for web in webs:
            self.proxy.put_in(web.port)
        key = self.manage("shell", "-c", ISSUE_KEY).rpartition("key ")[2].strip()
        load = Load(self.proxy.port, SIMULATIONS, PATIENT, {"Authorization": f"Bearer {key}", **BEHIND_TLS})
        with load.running():
            load.goes_on()
            self.scrape(webs[0], {"orchestrai_workers 2.0", 'orchestrai_calls{state="running"}'})
            self.kill_a_node(nodes, load)
            self.replace_everything(webs, nodes, load)
        self.compare_counts(load)
        self.restore(database)
        doctor = self.manage("doctor")
        self.say(f"doctor: {doctor.strip().splitlines()[-1]}")

    def start(self, name: str) -> Running:
        """Killed at the end, if it still runs then."""
        running = self.machine.start(self.machine.adapted(self.declared[name]))
        self.open.callback(running.kill)
        self.say(f"{name}$ {' '.join(self.declared[name].command)[:110]}")
        return running

    def started(self, name: str) -> Running:
        running = self.start(name)
        running.wait_until_healthy()
        return running

    def manage(self, *command: str) -> str:
        self.say(f"manage.py {' '.join(each.strip().partition(chr(10))[0] for each in command)}")
        return self.machine.run(self.operator, str(self.machine.python), "manage.py", *command)

    def scrape(self, web: Running, expected: set[str]) -> None:
        status, text = ask(web.port, "GET", "/metrics", {"Authorization": f"Bearer {TOKEN}", **BEHIND_TLS})
        assert status == 200, text
        shown = text.decode()
        assert all(line in shown for line in expected), shown
        refused, _ = ask(web.port, "GET", "/metrics", BEHIND_TLS)
        assert refused in (401, 403), refused
        self.say(f"metrics: {shown.count('# TYPE')} of them")

    def kill_a_node(self, nodes: list[Running], load: Load) -> None:
        """SIGKILL, in the middle of its calls: the other one finds them."""
        nodes[0].kill()
        load.goes_on()
        nodes[0] = self.started("workers-1")

    def replace_everything(self, webs: list[Running], nodes: list[Running], load: Load) -> None:
        """As docs/production.md says: each web process behind the proxy, and each node beside the other one."""
        for number in range(2):
            webs[number] = replaced(self.proxy, webs[number], partial(self.started, webs[number].declared.name))
            assert nodes[number].stop() == 0
            nodes[number] = self.started(nodes[number].declared.name)
            load.goes_on()

    def compare_counts(self, load: Load) -> None:
        """Every simulation that a client was told of has its one call, that its one result, and that its one chunk."""
        load.assert_none_failed()
        made = len(load.accepted)
        wanted = f"counts {made} {made} {made} {made} 0"

        def agree() -> bool:
            found = self.manage("shell", "-c", COUNTS).strip()
            self.say(found)
            return wanted in found

        until(agree, wanted, 240)
        self.say(f"{load.outcomes.total()} requests, none failed; {made} calls, each answered and persisted once")

    def restore(self, database: str) -> None:
        """Into another database of the server; `restore` itself compares counts and digests."""
        folder, copy = str(self.machine.folder / "backup"), f"{database}_restored"
        self.manage("backup", folder)
        self.open.callback(drop_database, postgres_url(), copy)
        self.say(self.manage("restore", folder, "--name", copy).strip())
