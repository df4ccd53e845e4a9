# Two commands on a fresh machine: `make run` and `make test`. Both need nothing but python3, make and the package
# index, and no network once installed.

PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest -n 2 --cov --cov-report= --cov-fail-under=0

.DEFAULT_GOAL := help
.PHONY: help run test check chaos format lock

help:
	@echo "make run [ONCE=1] [PORT=8000]  start everything, run the main job once, serve until Ctrl-C"
	@echo "make test                      the whole suite, on SQLite and (when one answers) PostgreSQL"
	@echo "make check                     lint, format, types, import arrows, system checks, missing migrations"
	@echo "make chaos [CALLS=200] [KILLS=20] [DB=sqlite|postgres] [SEED=1] [ARGS=...]   kill at random, compare the books"
	@echo "make format                    format and sort imports"
	@echo "make lock                      pin the newest allowed versions in requirements*.txt"

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}. Try make PYTHON=/path/to/python3" if v < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	@touch $@

run: .venv/run.stamp
	@$(BIN)/python -m config.serve --port $(PORT) $(if $(ONCE),--once)

# SQLite first; then what is marked for PostgreSQL, there, or skipped with the reason. Exit 5: nothing is marked.
test: .venv/dev.stamp
	$(BIN)/coverage erase
	env -u DATABASE_URL COVERAGE_FILE=.coverage.sqlite $(PYTEST) -m "not postgres_only"
	ORCA_TEST_POSTGRES=1 COVERAGE_FILE=.coverage.postgres $(PYTEST) -m "postgres or postgres_only" || [ $$? -eq 5 ]
	$(BIN)/coverage combine
	$(BIN)/coverage report

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

CALLS ?= 200
KILLS ?= 20
DB ?= sqlite
SEED ?= 1

chaos: .venv/run.stamp
	@$(BIN)/python -m chaos --calls $(CALLS) --kills $(KILLS) --db $(DB) --seed $(SEED) $(ARGS)

format: .venv/dev.stamp
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: .venv/dev.stamp
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.txt
