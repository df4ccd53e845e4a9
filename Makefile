# Two commands on a fresh machine: `make run` and `make test`. Both need nothing but python3, make and the package
# index, and no network once installed.

PYTHON ?= python3
PORT ?= 8000
BIN = .venv/bin
POSTGRES_ANSWERS = 'import sys; from tests.environment import answers, postgres_url; sys.exit(not answers(postgres_url()))'
# Without an answer from the index, or without its data, there is nothing to compare with: that is said, and passes.
AUDIT = @$(BIN)/pip-audit --disable-pip --no-deps --progress-spinner off -r requirements.txt > .audit 2>&1; status=$$?; \
	grep '^Found' .audit -A 99 | grep -v 'could not be audited'; unknown=$$(grep -c 'could not be audited' .audit); \
	[ "$$unknown" -eq 0 ] || echo "audit: the index has no data about $$unknown of the dependencies"; \
	if grep -q '^Found [0-9]* known vulnerabilit' .audit; then exit 1; fi; \
	[ $$status -eq 0 ] || echo "audit: the index does not answer, nothing was compared"; rm -f .audit
# More than there are processors on a small machine: many tests wait.
PYTEST = $(BIN)/python -m pytest --dist worksteal
# $(call suite,environment,marks,options): what failed beside the others runs once more, alone. On a machine that others
# use as well a test may be late; its first failure stays in the output, and it is to be fixed. Exit 5: nothing is marked.
suite = rm -rf .pytest_cache; $(1) $(PYTEST) $(3) -m "$(2)" || case $$? in 5) ;; 1) \
	echo "These failed beside others and run once more, alone:"; \
	$(1) $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail=5 -m "$(2)";; *) exit 1;; esac
# What is compiled is kept: tests start processes and workers by the hundred, and each would compile everything again.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-long check chaos upgrade-test bench bench-peers clients screenshots format lock newcomer matrix docs

help:
	@echo "make run [ONCE=1] [PORT=8000]  start everything, run the main job once, serve until Ctrl-C"
	@echo "make test [COVERAGE=1]         the suite, on SQLite and (when one answers) PostgreSQL; which lines it runs"
	@echo "make test-fast                 the framework (orchestration, persistence) on SQLite, without clusters and pages: a minute"
	@echo "make test-long [BRIEF=1]       proofs that take minutes: kills of every process, a thousand results, leases under load"
	@echo "make check                     lint, format, types, import arrows, security, known faults, system checks, migrations missing or unsafe"
	@echo "make chaos [CALLS=200] [KILLS=20] [DB=sqlite|postgres] [SCENARIO=notes|consensus|tools|approval] [SEED=1] [ARGS=...]   kill at random, then check every call and request"
	@echo "make upgrade-test [BASE=revision] [CALLS=20000] [KILLS=12]  an older version and this one side by side, migrations in between"
	@echo "make bench [ARGS=...]           calls per second and CPU per call on this machine, in two minutes"
	@echo "make bench-peers [ARGS=...]     the same beside Celery, Procrastinate, DBOS, django-q2 and LiteLLM, three rounds: a quarter of an hour"
	@echo "make clients                   install the foreign clients that the gateway's tests drive (make test does it)"
	@echo "make screenshots               write pictures of all pages to docs/images/"
	@echo "make newcomer [ONLY=newest|oldest|plain|production]   three projects in empty folders execute docs/adopt.md; then the production example is run, killed, replaced, restored"
	@echo "make matrix [SESSION=...]      the framework's fast suite on each Python and Django that this machine has"
	@echo "make docs                      the documentation as a site in var/site, links checked, with a reference read from the code"
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
	@$(BIN)/python -m apps.devtools.runner --port $(PORT) $(if $(ONCE),--once)

# The foreign clients of the gateway's tests, in places of their own. What cannot be installed is skipped with the reason.
CLIENTS = tests/apps/gateway/clients
.clients/stamp: $(addprefix $(CLIENTS)/,install.py requirements.txt requirements-agents.txt requirements-older.txt package.json package-lock.json token_data.mjs) | .venv/pyvenv.cfg
	$(BIN)/python $(CLIENTS)/install.py .clients
	@[ -e .clients/missing ] || touch $@

clients: .clients/stamp

# SQLite first; then what is marked for PostgreSQL, there, or skipped with the reason. With COVERAGE=1 the first part is
# measured, without the tests that start processes: it takes longer.
test: .venv/dev.stamp .clients/stamp
	$(call suite,env -u DATABASE_URL,not postgres_only and not long,-n 6 $(if $(COVERAGE),--cov --cov-report= --cov-fail-under=0))
	$(if $(COVERAGE),$(BIN)/coverage report)
	$(call suite,ORCA_TEST_POSTGRES=1,(postgres or postgres_only) and not long,-n 5)

# The answer while working: what starts processes, tries very much or loads pages of the console is left to `make test`.
test-fast: .venv/dev.stamp
	env -u DATABASE_URL $(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not (slow or cluster or postgres_only or long)" \
		--ignore=tests/orchestration/admin --ignore=tests/persistence/admin tests/orchestration tests/persistence

# On both databases, like `make test`. The proofs of tests/long one after the other, for they put the machine under load
# or are late by it, on PostgreSQL where one answers, else on SQLite.
# BRIEF=1 is for CI, which has 90 minutes: without the cases that `sampled` leaves out of `make test`, and what is marked
# for PostgreSQL there alone, where one answers.
BRIEFLY = $(if $(BRIEF), and not more_cases)
ELSEWHERE = $(if $(BRIEF),$(shell $(BIN)/python -c $(POSTGRES_ANSWERS) && echo " and not postgres"))
test-long: .venv/dev.stamp .clients/stamp
	$(call suite,env -u DATABASE_URL,long and not postgres_only$(BRIEFLY)$(ELSEWHERE),-n 5 --ignore=tests/long)
	$(call suite,ORCA_TEST_POSTGRES=1,long and (postgres or postgres_only)$(BRIEFLY),-n 5 --ignore=tests/long)
	@if $(BIN)/python -c $(POSTGRES_ANSWERS); then export ORCA_TEST_POSTGRES=1; fi; \
	$(BIN)/python -m pytest -m long --durations=10 tests/long

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py
	$(BIN)/bandit --quiet --recursive --severity-level medium --skip B608 orchestration persistence apps config
	$(AUDIT)
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest -q tests/test_migrations.py

CALLS ?= 200
KILLS ?= 20
DB ?= sqlite
SEED ?= 1
SCENARIO ?= notes

chaos: .venv/run.stamp
	@$(BIN)/python -m chaos --scenario $(SCENARIO) --calls $(CALLS) --kills $(KILLS) --db $(DB) --seed $(SEED) $(ARGS)

# An older version (the last tag before this commit, or the first commit with frozen migrations) and this one on one
# PostgreSQL. It says which, and how many migrations lie between.
upgrade-test: CALLS = 20000
upgrade-test: KILLS = 12
upgrade-test: .venv/run.stamp
	@$(BIN)/python -m chaos.upgrade --calls $(CALLS) --kills $(KILLS) $(if $(BASE),--base $(BASE)) $(ARGS)

# On an idle machine: what else runs is in the figures.
bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks.provider_client
	$(BIN)/python -m benchmarks.throughput $(ARGS)

# The peers get an environment of their own. What cannot be installed is named below the table.
.peers/stamp: benchmarks/peers/requirements.txt benchmarks/peers/install.py | .venv/pyvenv.cfg
	$(BIN)/python benchmarks/peers/install.py .peers
	@[ -s .peers/missing ] || touch $@

bench-peers: .venv/dev.stamp .peers/stamp
	$(BIN)/python -m benchmarks.against_peers $(ARGS)

screenshots: .venv/dev.stamp
	SCREENSHOTS=docs/images $(BIN)/python -m pytest -q -p no:cacheprovider tests/browser/test_console_pages.py tests/browser/test_every_page.py tests/browser/test_approvals.py -k "main_pages_are_accessible or test_every_page or approval_is_shown"

# On the newest Django that this machine has a Python for, on the oldest with a custom user model, and without the
# console; then the production example, on the PostgreSQL of DATABASE_URL or of this machine.
newcomer: .venv/dev.stamp
	$(BIN)/python -m tests.newcomer.run $(if $(ONLY),--only $(ONLY))

matrix: .venv/dev.stamp
	$(BIN)/nox $(if $(SESSION),--session $(SESSION))

# Strict: a link that leads nowhere ends it. Nothing is fetched, neither now nor by whoever reads the site.
docs: .venv/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean
	@echo "docs: var/site/index.html"

format: .venv/dev.stamp
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: .venv/dev.stamp
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --extra example pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --extra example --extra dev pyproject.toml -o requirements-dev.txt
