"""Every command of the project answers odd input with a sentence and a status that is not 0, never with a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from orchestration.management.base import PlainCommand

OURS = ("orchestration", "persistence", "config", "apps.")
ROOT = Path(__file__).resolve().parents[3]
HUGE, ODD = "9" * 400, "caf\udce9"
SERVICE = "engineapp.default.Triage"

ODD_NUMBERS = ("-1", "nan", "inf", "1e999", HUGE, "", "x", ODD)
ODD_JSON = ("", "{", "[]", "null", '"x"', "NaN", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, HUGE * 12, "\x00", ODD)
ODD_JSON += ('{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"self": 1}', "@/nowhere", f"@{ROOT}", "@", "@\x00", f"@{ODD}")
ODD_NAMES = ("", ".", "a.b", "a.b.c", "services.a.b.c", "x" * 5000, "a..b", "\x00", ODD, HUGE)
ODD_FILTERS = ("", "=", "x", "x=1", "state=x", "state=", f"schema_version={HUGE}", "schema_version=-1")
ODD_FILTERS += ("schema_version=\u00b2", f"schema_version={'0' * 20}1", "since=x", "since=2026-13-31", "until=")
ODD_FILTERS += ("since=0001-01-01T00:00:00+14:00", "until=9999-12-31T23:59:59-14:00", f"until={HUGE}", f"service={ODD}")
ODD_FILTERS += ("handler=\x00", "namespace=a\x00")
ODD_SUBJECTS = ("x", "x:1", ":", "accounts.user", "accounts.user:", "accounts.user:x", f"accounts.user:{HUGE}")
ODD_SUBJECTS += (
    "accounts.user:-1",
    "accounts.nothing:1",
    f"accounts.user:{ODD}",
    "accounts.user:\x00",
)

REFUSED = [
    *(["run_service", SERVICE, "--mode=dry-run", f"--context={odd}"] for odd in ODD_JSON),
    *(["run_service", "engineapp.default.Computes", f"--input={odd}"] for odd in ODD_JSON),
    *(["run_service", odd] for odd in ODD_NAMES),
    ["run_service", SERVICE, "--mode=sideways"],
    *(["ai_healthcheck", f"--timeout={odd}"] for odd in (*ODD_NUMBERS, "0")),
    *([command, "service", odd] for odd in ODD_NAMES for command in ("pause", "resume")),
    *([command, "model", odd] for odd in ("", "x", "x" * 5000, ODD, HUGE) for command in ("pause", "resume")),
    ["pause", "model", "*/*", f"--reason={ODD}"],
    ["pause", "colour", "red"],
    *(["simulated_provider", f"--port={odd}"] for odd in (*ODD_NUMBERS, "70000", "1.5")),
    *(["simulated_provider", "--port=0", f"--latency-ms={odd}"] for odd in ODD_NUMBERS),
    *(["simulated_provider", "--port=0", f"--host={odd}"] for odd in ("a..b", "x" * 300, "nowhere.invalid", ODD)),
    *(["simulated_provider", "--port=0", f"--request-log={odd}"] for odd in (str(ROOT), "/nowhere/x", "/proc/version")),
    ["drain_persistence", "--once", "--follow"],
    *(["prune", "--days", odd] for odd in ("x", "x=1", "calls=", "calls=-1", f"calls={HUGE}", "=", f"calls={ODD}")),
    *(["prune", f"--subject={odd}"] for odd in ODD_SUBJECTS),
    *(["reprocess", "--filter", odd] for odd in ODD_FILTERS),
    *(["reprocess", "--bulk", "--filter", odd] for odd in ODD_FILTERS),
    *(["reprocess", f"--limit={odd}"] for odd in (*ODD_NUMBERS, "0")),
    *(["schema_coverage", odd] for odd in ODD_NAMES),
    *(["seed_load", "--yes", f"--calls={odd}"] for odd in (*ODD_NUMBERS, "0")),
    *(["seed_load", "--yes", f"--days={odd}"] for odd in (*ODD_NUMBERS, "0")),
    *(["seed_load", "--yes", f"--seed={odd}"] for odd in ODD_NUMBERS),
    *(["seed_load", "--yes", f"--namespaces={odd}"] for odd in ("x", ODD, "\x00")),
    *(["compression_report", odd] for odd in ("/nowhere", "/proc/self/mem", os.devnull, "\x00")),
    ["seed_demo"],
    ["demo"],
    *([command, "--nonsense"] for command in ("reprice", "orca_components", "qcluster", "rotate_encryption")),
]


def ours():
    return [name for name, app in get_commands().items() if str(app).startswith(OURS)]


def test_every_command_of_ours_is_a_plain_one():
    found = {name: load_command_class(get_commands()[name], name) for name in ours()}
    assert {"run_service", "qcluster", "prune", "demo", "seed_load"} <= found.keys()
    assert [name for name, command in found.items() if not isinstance(command, PlainCommand)] == []


@pytest.mark.django_db
@pytest.mark.postgres
@pytest.mark.parametrize("arguments", REFUSED, ids=lambda arguments: ascii(" ".join(arguments))[:60])
def test_odd_input_is_refused_with_a_sentence(arguments):
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    assert str(refused.value).strip()
    assert refused.value.returncode


def manage(*arguments, **kwargs):
    """`manage.py` as a person runs it, in a folder of its own; (status, what it said)."""
    kwargs = {"stdout": subprocess.PIPE, **kwargs}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, stderr=subprocess.PIPE, timeout=120, check=False, **kwargs
    )
    return done.returncode, done.stderr.decode(errors="backslashreplace")


@pytest.fixture
def fresh(tmp_path):
    """The environment of a machine on which nothing has run yet."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PYTHONUNBUFFERED"}}
    return {**kept, "ORCA_VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings", "DJANGO_DEBUG": "true"}


NEED_TABLES = [
    ["drain_persistence"],
    ["prune", "--days", "calls=1"],
    ["reprice"],
    ["reprocess"],
    ["replay_persistence"],
    ["schema_coverage"],
    ["seed_demo"],
    ["seed_load", "--calls=1"],
    ["pause", "model", "*/*"],
    ["run_service", "engineapp.default.Triage", '--context={"ticket": "x"}'],
    ["rotate_encryption"],
]
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from django.core.management import execute_from_command_line
for arguments in json.loads(sys.argv[1]):
    said, status = io.StringIO(), 0
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            execute_from_command_line(["manage.py", *arguments])
    except SystemExit as ended:
        status = ended.code
    print(json.dumps([status, said.getvalue()]))
"""


@pytest.mark.slow
def test_a_database_without_tables_is_told_in_a_sentence(fresh):
    """In one process, for each would load everything again."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(NEED_TABLES)],
        cwd=ROOT, env=fresh, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(NEED_TABLES), done.stderr
    for arguments, (status, said) in zip(NEED_TABLES, answers, strict=True):
        assert status not in {0, None}, arguments
        assert "Traceback" not in said, arguments
        assert "did `manage.py migrate` run?" in said, arguments


@pytest.mark.slow
def test_the_cluster_without_tables_says_so_in_a_sentence(fresh):
    status, said = manage("qcluster", env=fresh)
    assert status != 0
    assert "Traceback" not in said
    assert "did `manage.py migrate` run?" in said


@pytest.mark.slow
def test_a_reader_that_has_gone_is_told_in_a_sentence(fresh):
    reading, writing = os.pipe()
    os.close(reading)
    status, said = manage("orca_components", env=fresh, stdout=writing)
    os.close(writing)
    assert (status, "Traceback" in said, "BrokenPipe" in said) == (1, False, False)
    assert "The output was closed before everything was written" in said


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_disk_is_told_in_a_sentence(fresh):
    with Path("/dev/full").open("wb") as full:
        status, said = manage("orca_components", env=fresh, stdout=full)
    assert (status, "Traceback" in said, "No space left on device" in said) == (1, False, True)


@pytest.mark.slow
def test_bytes_that_are_no_text_are_told_in_a_sentence(fresh):
    status, said = manage("run_service", b"caf\xe9", env=fresh)
    assert (status, "Traceback" in said) == (1, False)
    assert "identity contains control characters or bytes that are not UTF-8" in said


@pytest.mark.slow
def test_what_the_terminal_cannot_show_is_written_escaped(fresh):
    shown = manage("run_service", "--help", env={**fresh, "PYTHONIOENCODING": "ascii"})
    assert shown[0] == 0
    assert "Traceback" not in shown[1]
