"""Two web processes behind a proxy and two nodes are restarted under load: no request fails, no call is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import Scope, UserRole
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.people import person
from tests.clusters import environment, running_cluster
from tests.deploy.declared import ROOT, compose
from tests.deploy.machine import free_port
from tests.deploy.proxy import Proxy
from tests.deploy.traffic import MORE, Load, ask, replaced
from tests.waiting import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.postgres_only,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]
BODY = {"service": "engineapp.default.Triage", "context": {"ticket": "it burns"}}
CALLS = "/api/v1/service-calls"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer(latency_ms=500) as server:
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        monkeypatch.setenv("Q_WORKERS", "2")
        yield server


@pytest.fixture
def key() -> str:
    user = person(UserRole.TRAINEE)
    user.user_permissions.set(Permission.objects.filter(codename__in=["add_servicecallrecord"]))
    return ApiKey.issue(user, "load", [Scope.CALLS_WRITE, Scope.CALLS_READ])[1]


class Web:
    """One web process, started as deploy/compose.yaml says, on a port of its own, on the test database."""

    def __init__(self, service: str, folder: Path) -> None:
        self.port = free_port()
        command = list(compose()["services"][service]["command"])
        command[command.index("--port") + 1], command[command.index("--host") + 1] = str(self.port), "127.0.0.1"
        with (folder / f"{service}-{self.port}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment(folder / "run"), stdout=log, stderr=log
            )
        try:
            until(self.is_ready, f"{service} is ready", 180)
        except AssertionError:
            self.stop()
            raise

    def is_ready(self) -> bool:
        try:
            return ask(self.port, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def test_a_rolling_restart_fails_no_request_and_loses_no_call(provider, key, tmp_path):
    with Proxy() as proxy, ExitStack() as nodes:
        services = ("web", "stream")
        webs = [Web(service, tmp_path) for service in services]
        for web in webs:
            proxy.put_in(web.port)
        load = Load(proxy.port, CALLS, BODY, {"Authorization": f"Bearer {key}"})
        old = [nodes.enter_context(running_cluster(tmp_path, name)) for name in ("one", "two")]
        try:
            with load.running():
                load.goes_on()
                for number, node in enumerate(old):
                    webs[number] = replaced(proxy, webs[number], partial(Web, services[number], tmp_path))
                    assert node.stop() == 0
                    nodes.enter_context(running_cluster(tmp_path, node.node))
                    load.goes_on()
            done = ServiceCallRecord.objects.filter(pk__in=load.accepted).in_status("succeeded")
            until(lambda: done.count() == len(load.accepted), "every call that was accepted", 120)
        finally:
            for web in webs:
                web.stop()
    load.assert_none_failed()
    assert ServiceCallRecord.objects.count() == len(load.accepted) > 3 * MORE
    assert set(ServiceCallRecord.objects.values_list("failures", "deaths")) == {(0, 0)}
    assert len(provider.request_log()) == AIRequestAudit.objects.count()
