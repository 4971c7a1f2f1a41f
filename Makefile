# The two commands are `make up` and `make test`; `make help` lists the rest. GNU make 3.81 or newer.

PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help up audit test check bench coverage mutation campaign backup restore reset screenshots keys guards run-environment dev-environment

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s%s\n", $$1, $$2 }' Makefile

up: run-environment ## start everything here; Ctrl-C stops it (PORT=8000, TRIALSITE_ENV=demo|training|prod)
	@$(PY) manage.py up

test: dev-environment ## the whole suite, on a PostgreSQL of its own
	@$(PY) -m pytest tests -n auto --dist worksteal

check: dev-environment ## style, types, import walls, production settings, migrations, protocol
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@sh deploy/check-production.sh
	@$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(PY) manage.py load_protocol protocols/nct06756087 --check

audit: dev-environment ## known vulnerabilities of what uv.lock names; asks the advisory service of PyPI
	@sh deploy/audit.sh

bench: dev-environment ## times beside the same work in bare psycopg (ONLY=name for one measure)
	@$(PY) -m tests.bench $(ONLY)

campaign: dev-environment ## long runs of the harnesses (MINUTES=10, ONLY=name for one, SEED= to do a run again)
	@$(PY) -m tests.campaign $(ONLY) --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

backup: run-environment ## the whole database into one file (TO=FILE; default: a new file in var/backups)
	@$(PY) manage.py backup $(if $(TO),--to "$(TO)")

restore: run-environment ## replace the database by a backup: make restore FILE=…
	@test -n "$(FILE)" || { echo "trialsite: name the backup: make restore FILE=var/backups/…" >&2; exit 1; }
	@$(PY) manage.py restore "$(FILE)" $(if $(YES),--yes)

reset: run-environment ## empty var/ after asking; backups stay
	@$(PY) manage.py reset

mutation: dev-environment ## how many small errors in the rules the tests find (hours; ONLY=eligibility|randomization, SAMPLE=100)
	@$(PY) -m tests.mutation $(ONLY) $(if $(SAMPLE),--sample $(SAMPLE))

guards: dev-environment ## write down what the migrations leave as guards of the database (after a migration)
	@$(PY) -m tests.guards

coverage: dev-environment ## lines and branches of randomization's rules and allocation that its tests reach; fails below 100 %
	@$(PY) -m coverage run --branch --source=randomization --data-file=var/coverage -m pytest -q -p no:cacheprovider tests/randomization
	@$(PY) -m coverage report --data-file=var/coverage -m --fail-under=100 --include='randomization/rules/*,randomization/services.py,randomization/opening.py'

screenshots: dev-environment ## go through the pages in a browser; a picture of each in var/screenshots
	@mkdir -p var/screenshots
	@TRIALSITE_SCREENSHOTS=var/screenshots $(PY) -m pytest -q tests/acceptance

keys: run-environment ## make the keys and passwords of a production deployment in deploy/secrets
	@$(PY) -m trialsite.runtime.keys deploy/secrets

run-environment:
	@sh deploy/environment.sh run

dev-environment:
	@sh deploy/environment.sh dev
