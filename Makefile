# `make` alone shows what there is. Everything works in a fresh clone with nothing but Python 3.11.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Settings that need no .env: linters and message files never touch a database.
BARE := DJANGO_SETTINGS_MODULE=site_config.settings.test $(MANAGE)
# The least that production needs; `check --deploy` must find nothing to warn about.
PRODUCTION := DJANGO_SETTINGS_MODULE=site_config.settings.production ALLOWED_HOSTS=example.org \
	SITE_URL=https://example.org DEFAULT_FROM_EMAIL=hello@example.org \
	SECRET_KEY=only-for-the-check-0123456789-abcdefghijklmnopqrstuvwxyz
# Tests that bring their own database or need none: once is enough.
ANY_DATABASE := $(patsubst %,--ignore-glob='tests/integration/%',site/test_up.py site/test_seeds_way.py delivery/test_crash.py delivery/test_smtp_* site/test_mailbox.py test_benchmarks.py faults/*)
# Tests run side by side, a database and a Redis for each process, and one process more than there
# are cores, since many wait.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PARALLEL := -n $$(( $(CORES) < 4 ? $(CORES) + 1 : 4 ))
COMPILE := $(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url --no-annotate --python-version 3.11

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/run .env ## Start the service with demo content: make run [PORT=8000]
	@$(MANAGE) up --demo --port $(PORT)

test: lint ## Check everything: linters, then all tests on SQLite and on PostgreSQL with Redis
	@echo "Tests on the embedded default (SQLite) …"
	@$(BIN)/python -m pytest -q $(PARALLEL) --embedded tests/integration $(ANY_DATABASE)
	@echo "Tests on PostgreSQL and Redis, with the browser …"
	@$(BIN)/python -m pytest -q $(PARALLEL)

test-fast: .venv/dev ## Tests on SQLite without the slow ones and the browser
	@$(BIN)/python -m pytest -q $(PARALLEL) --embedded -m "not slow and not browser" tests

lint: .venv/dev ## Format, style, types, layers, templates, CSS, JS, migrations, translations, deployment
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/djlint --lint --quiet templates
	@[ ! -x $(BIN)/biome ] || $(BIN)/biome ci --log-level=warn static
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BARE) makemigrations --check --dry-run
	@env -i PATH="$$PATH" $(PRODUCTION) $(MANAGE) check --deploy --fail-level WARNING
	@$(BIN)/python -m pytest -q --embedded tests/gates

format: .venv/dev ## Mend what ruff and Biome can mend
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .
	@[ ! -x $(BIN)/biome ] || $(BIN)/biome check --write static

messages: .venv/dev ## Collect the strings of the interface and compile their translations
	@$(BARE) makemessages --locale ru --no-location --no-obsolete --ignore .venv --ignore var --ignore tests
	@$(BARE) compilemessages --ignore .venv

bench: .venv/dev ## Measure: make bench [NAME=engine] [RUNS=3] [COUNT=5000] [CONNECTIONS=50] [PROFILE=1]
	@$(BIN)/python -m benchmarks $(NAME) $(RUNS:%=--runs %) $(COUNT:%=--count %) $(CONNECTIONS:%=--connections %) $(PROFILE:1=--profile)

lock: .venv/dev ## Pin requirements*.in into requirements*.txt
	@$(PIP) uv
	@$(COMPILE) requirements.in --output-file requirements.txt
	@$(COMPILE) requirements-dev.in --output-file requirements-dev.txt

clean: ## Remove the virtual environment and caches; the data in var/ stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- what the targets stand on
.venv/made:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing. Install Python 3.11 or newer, for example: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is older. Name another: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python cannot make virtual environments. Install the missing part: apt install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/made requirements.txt
	@echo "Installing requirements …"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev: .venv/made requirements.txt requirements-dev.txt
	@echo "Installing requirements of development …"
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/run

.env:
	@$(PYTHON) -c 'import pathlib, secrets; text = pathlib.Path(".env.example").read_text(); env = pathlib.Path(".env"); env.touch(0o600); env.write_text(text.replace("SECRET_KEY=\n", f"SECRET_KEY={secrets.token_urlsafe(48)}\n", 1))'

.PHONY: help run test test-fast lint format messages bench lock clean
