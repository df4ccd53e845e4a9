"""docs/operations.md, played: an installation breaks, and the page's own commands mend it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.gateway.crypto import encrypt, keyring
from apps.gateway.models import Interaction, InteractionPayload
from orchestration.django_q import schedules
from orchestration.engine.queue.enqueue import CallSpec, submit_many
from orchestration.models import AIRequestAudit, AIResponseAudit, Pause, ServiceCallRecord
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from persistence.models import PersistedChunk
from tests.clusters import environment, running_cluster, until
from tests.integration.runbooks import Shell, runbooks, shell
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True),
]
LEFT = """
from orchestration.models import ServiceCallRecord
calls = ServiceCallRecord.objects.all()
print("left", calls.exclude(status="succeeded").count(), calls.count())
"""
TRIAGE = "services.engineapp.default.Triage"
OF_THE_PAGE = runbooks()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer() as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        yield server


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Callable[..., Shell]]:
    """Opens the shell of an operator, with the variables of the clusters of this test; `more` are engine settings."""
    schedules.create_all()
    opened = []

    def open_shell(variables: dict[str, str] | None = None, **more: object) -> Shell:
        backups = {"BACKUPS": str(tmp_path / "backups")}
        context = shell({**environment(tmp_path / "run", **more), **backups, **(variables or {})}, tmp_path)
        opened.append(context)
        return context.__enter__()

    yield open_shell
    for context in opened:
        context.__exit__(None, None, None)


def triage(count: int, **fields: object) -> None:
    submit_many([CallSpec(service=TRIAGE, context={"ticket": str(number)}, **fields) for number in range(count)])


def succeeded() -> int:
    return ServiceCallRecord.objects.in_status("succeeded").count()


def notes(count: int) -> None:
    submit_many([CallSpec(service=GenerateNote, context={"does": "as_deployed"}) for _ in range(count)])


def test_a_backlog_without_a_node_is_worked_off(installation):
    page, at = OF_THE_PAGE["The backlog grows"], installation()
    triage(20)
    ServiceCallRecord.objects.update(due_at=timezone.now() - timedelta(minutes=5))
    assert "20 calls are queued" in at.shows("orchestration.E213", "orchestration.E211")
    _, start_a_node = page.blocks("Do")
    at.follow(start_a_node)
    at.ends_well(page)
    until(lambda: succeeded() == 20, "every call")


def test_a_backlog_behind_a_pause_is_worked_off(installation, tmp_path):
    page, at = OF_THE_PAGE["The backlog grows"], installation()
    Pause.start("model", "default/*")
    with running_cluster(tmp_path):
        triage(5)
        ServiceCallRecord.objects.update(due_at=timezone.now() - timedelta(minutes=5))
        at.shows("orchestration.E213", "orchestration.W218")
        resume, _ = page.blocks("Do")
        at.follow(resume)
        until(lambda: succeeded() == 5, "every call")
        at.ends_well(page)


def test_a_provider_that_was_down_costs_no_call(installation, provider, tmp_path):
    page = OF_THE_PAGE["The provider is down"]
    engine = {"CIRCUIT_FAILURES": 3, "CIRCUIT_OPEN_SECONDS": 1}
    at = installation(**engine)
    provider.script([Fault(kind="unavailable", times=0)])
    (ask,) = page.blocks("You see")
    with running_cluster(tmp_path, **engine):
        triage(6, max_attempts=1)
        at.shows("orchestration.E217")
        status, said = at.run(ask)
        assert (status != 0, "FAIL" in said) == (True, True)
        until(ServiceCallRecord.objects.failed().exists, "a call that failed too often")
        pause, go_on = page.blocks("Do")
        at.follow(pause)
        triage(4)
        provider.script([])
        assert "queued again" in at.follow(go_on)
        until(lambda: succeeded() == 10, "every call")
        at.ends_well(page)


@pytest.fixture
def deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: SimulatedProviderServer
) -> Callable[[str], None]:
    """Which handler is deployed, in every process: `mended`, or one that fails."""
    provider.script([Fault(kind="json", data={"text": "A LOUD NOTE"}, times=0)])
    monkeypatch.setenv("SEEDAPP_DEPLOYED", str(tmp_path / "deployed"))

    def deploy(what: str) -> None:
        (tmp_path / "deployed").write_text(what)

    return deploy


def test_dead_letters_become_rows_without_a_request(installation, deployed, provider, tmp_path):
    page = OF_THE_PAGE["Dead letters"]
    deployed("as it was")
    at = installation(DOMAIN_PERSIST_MAX_ATTEMPTS=1)
    with running_cluster(tmp_path, DOMAIN_PERSIST_MAX_ATTEMPTS=1):
        notes(5)
        until(lambda: ServiceCallRecord.objects.dead().count() == 5, "five dead results")
        assert "5 results are dead: ValueError" in at.shows("persistence.E202")
        deployed("mended")
        (mend,) = page.blocks("Do")
        said = at.follow(mend)
        assert "nothing changed" in said
        at.ends_well(page)
    assert Message.objects.count() == PersistedChunk.objects.count() == 5
    assert len(provider.request_log()) == 5


def test_unknown_attempts_are_told_and_their_calls_end(installation, provider, tmp_path):
    page, at = OF_THE_PAGE["Unknown attempts"], installation()
    provider.simulation.latency_ms = 3_000
    with running_cluster(tmp_path, LEASE_SECONDS=3, RENEW_SECONDS=1):
        triage(4)
        until(lambda: len(provider.request_log()) >= 4, "requests in flight")
        worker = ServiceCallRecord.objects.running().values_list("worker", flat=True)[0]
        os.kill(int(worker.split(":")[1]), signal.SIGKILL)
        until(AIRequestAudit.objects.unknown().exists, "a request whose answer nobody knows", 60)
        provider.simulation.latency_ms = 0
        at.shows("orchestration.W216")
        (count,) = page.blocks("Do")
        unknown = AIRequestAudit.objects.unknown().count()
        assert f"openai gpt-4o-mini {unknown}" in at.follow(count)
        until(lambda: succeeded() == 4, "every call", 60)
        at.ends_well(page)
    assert len(provider.request_log()) == AIRequestAudit.objects.count() == 4 + unknown


def test_a_bad_deploy_is_rolled_back_without_a_loss(installation, deployed, tmp_path):
    page = OF_THE_PAGE["A bad deploy"]
    engine = {"DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    at = installation(**engine)
    deployed("bad")
    MigrationRecorder(connection).record_applied("persistence", "0999_of_the_bad_version")
    pause, go_on = page.blocks("Do")
    try:
        with running_cluster(tmp_path, **engine) as bad:
            notes(3)
            until(lambda: ServiceCallRecord.objects.dead().count() == 3, "three dead results")
            at.shows("persistence.E202", "orchestration.W204")
            at.follow(pause)
            notes(2)
            assert bad.stop() == 0
        deployed("mended")
        with running_cluster(tmp_path, "again", **engine):
            at.follow(go_on)
            until(lambda: Message.objects.count() == 5, "every row")
            at.ends_well(page)
    finally:
        MigrationRecorder(connection).record_unapplied("persistence", "0999_of_the_bad_version")
    assert PersistedChunk.objects.count() == 5


def test_a_forgotten_migrate_is_said(installation, tmp_path):
    page, at = OF_THE_PAGE["A bad deploy"], installation()
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="persistence").latest("pk")
    recorder.record_unapplied("persistence", last.name)
    try:
        assert "orchestration.E204" in page.findings
        assert "1 migrations are not applied" in at.shows("orchestration.E204")
    finally:
        recorder.record_applied("persistence", last.name)


@pytest.fixture
def lost_key(installation, tmp_path: Path, settings) -> Iterator[tuple[Shell, InteractionPayload]]:
    """A key file that was replaced, with its backup, and what the old key wrote; a node runs."""
    key_file, backups = tmp_path / "gateway.key", tmp_path / "backups"
    backups.mkdir()
    for path in (key_file, backups / "gateway.key"):
        path.write_text(f"{Fernet.generate_key().decode()}\n")
    key_file.write_text((backups / "gateway.key").read_text())
    settings.GATEWAY = {**settings.GATEWAY, "ENCRYPTION_KEYS": (), "ENCRYPTION_KEY_FILE": str(key_file)}
    interaction = Interaction.objects.create(request_id="before", status="completed")
    payload = InteractionPayload.objects.create(
        interaction=interaction, prompt_enc=encrypt(b'{"of": "before"}'), key_id=keyring().current
    )
    key_file.write_text(f"{Fernet.generate_key().decode()}\n")
    gateway = {"ORCA_TEST_GATEWAY": json.dumps({"ENCRYPTION_KEYS": (), "ENCRYPTION_KEY_FILE": str(key_file)})}
    at = installation({**gateway, "GATEWAY_ENCRYPTION_KEY_FILE": str(key_file)})
    with running_cluster(tmp_path):
        yield at, payload


def test_a_lost_encryption_key_is_put_back(lost_key, settings):
    page, (at, payload) = OF_THE_PAGE["A lost encryption key"], lost_key
    at.shows("gateway.E012")
    put_back, _ = page.blocks("Do")
    at.follow(put_back)
    at.ends_well(page)
    settings.GATEWAY = {**settings.GATEWAY}  # read the file again
    payload.refresh_from_db()
    assert payload.key_id == keyring().current


def test_a_key_that_is_gone_takes_contents_but_no_figures(lost_key):
    page, (at, _) = OF_THE_PAGE["A lost encryption key"], lost_key
    at.shows("gateway.E012")
    _, give_up = page.blocks("Do")
    at.follow(give_up)
    at.ends_well(page)
    assert (InteractionPayload.objects.count(), Interaction.objects.count()) == (0, 1)


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[str]:
    """The name of a database that does not exist yet."""
    on_postgres = connection.vendor == "postgresql"
    name = f"restored_{os.getpid()}" if on_postgres else str(tmp_path / "restored.sqlite3")
    yield name
    if on_postgres:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.mark.postgres
def test_a_day_is_restored_and_continues(installation, provider, tmp_path, restored):
    """The backup is made while calls are submitted, run and persisted; then a table is emptied."""
    page, at = OF_THE_PAGE["Restoring a day"], installation({"RESTORED": restored})
    (back_up,) = page.before
    provider.simulation.latency_ms = 200
    with running_cluster(tmp_path) as cluster:
        triage(300)
        until(lambda: succeeded() > 20, "some calls")
        at.follow(back_up)
        before = ServiceCallRecord.objects.count()
        assert cluster.stop() == 0
    AIResponseAudit.objects.all()._raw_delete("default")
    restore, go_on = page.blocks("Do")
    assert "all as they were backed up" in at.follow(restore)
    of_the_page = at.variables["DATABASE_URL"].rpartition("/")[0]
    url = f"{of_the_page}/{restored}" if connection.vendor == "postgresql" else f"sqlite:///{restored}"
    now = installation({"DATABASE_URL": url, "RESTORED": restored, "ORCA_NODE_NAME": "restored"})
    now.follow(go_on)
    now.follow("python manage.py qcluster &")
    until(lambda: f"left 0 {before}" in now.run(f"python manage.py shell -c '{LEFT}'")[1], "every call", 90)
    now.ends_well(page)
