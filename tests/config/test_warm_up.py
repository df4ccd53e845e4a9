"""A server's process has loaded everything when it takes its first request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOOK = """
import importlib, json, sys, warnings
server = importlib.import_module(sys.argv[1])
import django.test
from django.contrib import admin
from django.template import engines
from django.urls import get_resolver
from orchestration.components.registry import services
(loader,) = engines["django"].engine.template_loaders
state = {
    "urls": "config.urls" in sys.modules and get_resolver()._populated,
    "apis": all(api._bound_routers_cache for api in (sys.modules["config.api"].api, sys.modules["config.api_v1"].v1)),
    "pages": len(admin.site._registry) > 20,
    "services": len(services.all()) > 3,
    "templates": len(loader.get_template_cache) > 20,
    "console": {
        "admin/change_list.html", "admin/change_form.html", "admin/import_export/import.html",
        "unfold/helpers/header.html", "unfold/layouts/base.html",
    } <= set(loader.get_template_cache),
    "migrations": "orchestration.migrations.0001_initial" in sys.modules,
}
before = set(sys.modules)
client = django.test.Client(headers={"host": "localhost"}, raise_request_exception=False)
paths = ("/accounts/sign-in", "/api/v1/auth/me", "/admin/login/")
answers = [client.get(path).status_code for path in paths]
ours = ("apps.", "config.", "orchestration.", "persistence.")
loaded = sorted(name for name in set(sys.modules) - before if name.startswith(ours))
print(json.dumps([state, loaded, answers]))
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize("server", ["config.wsgi", "config.asgi"])
def test_a_server_has_loaded_everything_before_it_serves(server: str, tmp_path: Path) -> None:
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ORCA_VAR_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", LOOK, server], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    state, loaded, answers = json.loads(done.stdout.splitlines()[-1])
    assert [name for name, done in state.items() if not done] == []
    assert loaded == [], "the first requests loaded these"
    assert answers == [200, 401, 200]
