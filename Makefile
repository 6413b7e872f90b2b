# Every target sets up what it needs in .venv, with python3 -m venv and pip alone.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready
# The clients of others, which `make clients` talks to: a Python environment with Node in it, and packages for Node.
PROGRAMS := .clients
# How many tests run at once: one more than there are cores, because many of them wait for a server. PYTEST_ARGS goes to
# pytest as it is, such as PYTEST_ARGS='-k outbox'.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
PYTEST_ARGS ?=
# What `make chaos` is told, such as CHAOS_ARGS='--records 500 --transport ssh'; `--help` lists it.
CHAOS_ARGS ?=
# What `make fuzz` is told, such as FUZZ_ARGS='--seconds 600 --target stream'; `--help` lists it.
FUZZ_ARGS ?=
# What `make bench` is told, such as BENCH_ARGS='--only growth'; `--list` lists the groups.
BENCH_ARGS ?=
# Which pages `make docs` runs, such as PAGES='pair ask'; all of them by default.
PAGES ?=
# With LOCKED=1, .venv holds exactly what requirements/dev.txt pins, each file of it checked by its hash.
LOCKED ?=
INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# For every Python and system that is promised, and without the address of whoever served the packages.
COMPILE := $(VENV)/bin/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
# Without the real git servers their tests are skipped, and then nothing can be said about the coverage as a whole.
MISSING := $(shell PATH="$$PATH:/usr/sbin:/sbin"; for each in sshd nginx fcgiwrap; do command -v $$each >/dev/null || echo $$each; done)
COVERAGE := --cov --cov-report=term $(if $(MISSING),--cov-fail-under=0)

# Where it is set, each of the hundreds of processes that the tests start would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage clients programs check audit dist lock format bench chaos fuzz docs pictures clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: $(READY) ## let two agents exchange a question and an answer, on this machine alone
	@$(RUN) peer_relay demo

test: $(READY) ## run the whole test suite
	@$(RUN) pytest -n $(WORKERS) --dist worksteal --ignore tests/clients $(PYTEST_ARGS)

coverage: $(READY) ## the same, and measure its branch coverage, which takes twice the processor before Python 3.14
	@$(RUN) pytest -n $(WORKERS) --dist worksteal --ignore tests/clients $(COVERAGE) $(PYTEST_ARGS)

clients: $(READY) ## run the tests with real clients, as far as `make programs` has installed them
	@$(RUN) pytest -n $(WORKERS) --dist worksteal --timeout 180 tests/clients $(PYTEST_ARGS)

programs: $(PROGRAMS)/.ready ## install the real clients and Node for `make clients`, into .clients

check: $(READY) ## lint, formatting, types, the direction of imports, known vulnerabilities, and what `make dist` makes
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest -q tests/test_imports.py tests/test_house_style.py
	@$(MAKE) --no-print-directory audit dist

audit: $(READY) ## ask whether a vulnerability is known in what peer-relay needs
	@$(RUN) tests.supply_chain.audit

dist: $(READY) ## build the wheel and the source distribution into dist/, the bill of materials into sbom/, and check them
	@rm -rf dist sbom
	@$(RUN) build --no-isolation --outdir dist
	@$(RUN) twine --no-color check --strict dist/*
	@$(RUN) tests.supply_chain.sbom sbom
	@$(RUN) pytest -q tests/built.py

lock: $(READY) ## pin the newest versions of what peer-relay and its tools need, with their hashes, in requirements/
	@$(COMPILE) --output-file requirements/runtime.txt pyproject.toml
	@$(COMPILE) --output-file requirements/dev.txt --extra dev --constraint requirements/runtime.txt pyproject.toml

format: $(READY) ## rewrite the code as the formatter and the linter's safe fixes want it
	@$(RUN) ruff check --fix-only --quiet .
	@$(RUN) ruff format .

bench: $(READY) ## run the benchmarks and write their table into docs/performance.md
	@$(RUN) benchmarks --write $(BENCH_ARGS)

chaos: $(READY) ## inject faults for long and check that nothing is lost or doubled
	@$(RUN) tests.chaos $(CHAOS_ARGS)

fuzz: $(READY) ## give made-up bytes to everything that reads what a stranger wrote, for five minutes
	@$(RUN) tests.fuzz $(FUZZ_ARGS)

docs: $(READY) ## run the commands of docs/ and write what they print into its pages
	@$(RUN) tests.docs $(PAGES)

pictures: $(READY) ## draw the pictures of the README anew, from real runs
	@$(RUN) tests.docs pictures

clean: ## remove .venv and everything else that was generated
	rm -rf $(VENV) $(PROGRAMS) build dist sbom htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find peer_relay tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp is written last: without it, or without a Python that starts, .venv is half made and is made again.
$(READY): pyproject.toml peer_relay/__init__.py $(if $(LOCKED),requirements/dev.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "peer-relay needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@if [ ! -e $@ ] || ! $(VENV)/bin/python -c ''; then echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); fi
	@echo "installing peer-relay and its development tools into $(VENV)"
	@$(if $(LOCKED),$(INSTALL) --require-hashes --requirement requirements/dev.txt)
	@$(INSTALL) --editable $(if $(LOCKED),. --no-deps --no-build-isolation,'.[dev]')
	@touch $@

# Made from nothing each time, so that it is what the two files pin. The packages' own scripts are not run: none is needed.
$(PROGRAMS)/.ready: $(addprefix tests/clients/,requirements.txt package.json package-lock.json)
	@echo "installing the clients into $(PROGRAMS)"
	@$(PYTHON) -m venv --clear $(PROGRAMS)
	@$(PROGRAMS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/clients/requirements.txt
	@cp tests/clients/package.json tests/clients/package-lock.json $(PROGRAMS)
	@PATH="$$PWD/$(PROGRAMS)/bin:$$PATH" npm ci --prefix $(PROGRAMS) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@
