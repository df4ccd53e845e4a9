# Two commands on a fresh machine: `make run` and `make test`. Both need nothing but python3, make and the package
# index, and no network once installed.

PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
# More than there are processors on a small machine: many tests wait for clusters.
PYTEST = $(BIN)/python -m pytest -n 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run test check chaos clients screenshots format lock

help:
	@echo "make run [ONCE=1] [PORT=8000]  start everything, run the main job once, serve until Ctrl-C"
	@echo "make test                      the whole suite, on SQLite and (when one answers) PostgreSQL"
	@echo "make check                     lint, format, types, import arrows, system checks, missing migrations"
	@echo "make chaos [CALLS=200] [KILLS=20] [DB=sqlite|postgres] [SCENARIO=notes|consensus] [SEED=1] [ARGS=...]   kill at random, compare the books"
	@echo "make clients                   install the foreign clients that the gateway's tests drive (make test does it)"
	@echo "make screenshots               write pictures of the console's main pages to docs/images/"
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

# The foreign clients of the gateway's tests, in places of their own. What cannot be installed is skipped with the reason.
CLIENTS = tests/apps/gateway/clients
.clients/stamp: $(addprefix $(CLIENTS)/,install.py requirements.txt package.json package-lock.json token_data.mjs) | .venv/pyvenv.cfg
	$(BIN)/python $(CLIENTS)/install.py .clients
	@[ -e .clients/missing ] || touch $@

clients: .clients/stamp

# SQLite first, with coverage (a process that ends after the run leaves a file of its own); then what is marked for PostgreSQL, there, or skipped with the reason. Exit 5: nothing is marked.
test: .venv/dev.stamp .clients/stamp
	$(BIN)/coverage erase
	env -u DATABASE_URL $(PYTEST) --cov --cov-report= --cov-fail-under=0 -m "not postgres_only"
	ORCA_TEST_POSTGRES=1 $(PYTEST) -m "postgres or postgres_only" || [ $$? -eq 5 ]
	for late in .coverage.*; do [ ! -e "$$late" ] || $(BIN)/coverage combine --append "$$late"; done
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
SCENARIO ?= notes

chaos: .venv/run.stamp
	@$(BIN)/python -m chaos --scenario $(SCENARIO) --calls $(CALLS) --kills $(KILLS) --db $(DB) --seed $(SEED) $(ARGS)

screenshots: .venv/dev.stamp
	SCREENSHOTS=docs/images $(BIN)/python -m pytest -q -p no:cacheprovider tests/browser/test_console_pages.py -k every_main_page

format: .venv/dev.stamp
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: .venv/dev.stamp
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.txt
