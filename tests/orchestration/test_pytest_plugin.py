"""The fixtures and docs/testing.md, in projects that have the plugin: one that uses it, and one without Django."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALSO = [ROOT / "docs" / f"{name}.md" for name in ("approval", "content", "streaming", "testing", "tools")]
PAGES = [*ALSO, *sorted((ROOT / "docs" / "howto").glob("*.md"))]
PLUGIN = ["-p", "orchestration.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
ADOPT = ROOT / "docs" / "adopt.md"


def run(folder: Path, *command: str, **environ: str) -> str:
    """What a command prints in a project that finds the package; AssertionError with all of it when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "ORCA", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": f"{folder}:{ROOT}", **environ},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, page: Path) -> int:
    """Write the blocks of a page into the project: each to the file that its first line names, or as a module of tests.
    How many tests they hold."""
    tests = 0
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
        named = re.match(r"# (\S+\.py)\n", block)
        if named:
            with (folder / named[1]).open("a") as file:
                file.write(f"\n{block}")
        else:
            (folder / "support" / f"test_{page.stem.replace('-', '_')}_{number}.py").write_text(block)
            tests += block.count("def test_")
    return tests


def commands(page: Path) -> list[list[str]]:
    """The `manage.py` commands of a page; those that stand below the reason why not are left out."""
    text = re.sub(r"<!-- not run: .*?-->\s*```sh\n.*?```", "", page.read_text(), flags=re.DOTALL)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.long
@pytest.mark.slow
def test_the_pages_and_the_scaffold_pass_in_a_project(tmp_path):
    (settings,) = re.findall(r"```python\n(# mysite/settings.py\n.*?)```", ADOPT.read_text(), re.DOTALL)
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    with (tmp_path / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
    run(tmp_path, "-m", "django", "startapp", "support")
    manage = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    run(tmp_path, "-m", "django", "orca_init", "support", **manage)
    run(tmp_path, "-m", "django", "makemigrations", "support", **manage)
    tests = sum(written(tmp_path, page) for page in PAGES) + 1
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    said = run(tmp_path, "-m", "pytest", "-q", *PLUGIN, "support", **manage)
    assert f"{tests} passed" in said
    run(tmp_path, "-m", "django", "test", "support.test_ticket_answer", "support.test_testing_0", **manage)


@pytest.mark.long
@pytest.mark.slow
def test_the_commands_of_the_how_tos_run(tmp_path):
    (settings,) = re.findall(r"```python\n(# mysite/settings.py\n.*?)```", ADOPT.read_text(), re.DOTALL)
    (urls,) = re.findall(r"```python\n(# mysite/urls.py\n.*?)```", ADOPT.read_text(), re.DOTALL)
    run(tmp_path, "-m", "django", "startproject", "mysite", ".")
    with (tmp_path / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
    (tmp_path / "mysite" / "urls.py").write_text(urls)
    run(tmp_path, "-m", "django", "startapp", "support")
    run(tmp_path, "manage.py", "orca_init", "support")
    run(tmp_path, "manage.py", "makemigrations", "support")
    run(tmp_path, "manage.py", "migrate")
    found = [command for page in PAGES for command in commands(page)]
    assert len(found) >= 7
    assert [command for command in found if command[0] != "manage.py"] == []
    for command in found:
        run(tmp_path, *command)


NO_DJANGO = """
import sys

def test_nothing_of_django_was_loaded():
    assert "orchestration.pytest_plugin" in sys.modules
    assert [name for name in sys.modules if name.split(".")[0] == "django"] == []
"""


def test_the_plugin_loads_nothing_of_django(tmp_path):
    (tmp_path / "test_elsewhere.py").write_text(NO_DJANGO)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert "1 passed" in run(tmp_path, "-m", "pytest", "-q", *PLUGIN, "-p", "no:django", "test_elsewhere.py")


def test_settings_may_be_configured_after_the_plugin(tmp_path):
    configured = "from django.conf import settings\nsettings.configure(DEBUG=True)\n"
    (tmp_path / "conftest.py").write_text(configured)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_debug.py").write_text(
        f"{configured.splitlines()[0]}\ndef test_it():\n    assert settings.DEBUG\n"
    )
    assert "1 passed" in run(tmp_path, "-m", "pytest", "-q", *PLUGIN, "-p", "no:django", "test_debug.py")
