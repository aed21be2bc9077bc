# Everything a newcomer, a developer and the CI run. `make help` lists it.
# Needs Python 3.11 or newer, make, and a package index for the first `make install`; uv is used if it is there.

SHELL := /bin/sh
.DEFAULT_GOAL := help
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
DEV := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")
VENV := .venv
RUN := $(VENV)/bin
# Each worker has a server of its own, and takes over tests of a slower one when its own are done.
JOBS := logical
PARALLEL := $(RUN)/python -m pytest -q -n $(JOBS) --dist worksteal
SOURCES := luactl commands tui tests bench

.PHONY: help install demo demo-erasure test test-long test-measures test-exhaustive test-matrix test-matrix-full check lint format types imports bench docs man lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed  ## Make .venv with the locked dependencies and luactl

demo: install  ## See luactl do its main job on a real, throw-away Postgres
	$(RUN)/luactl demo

demo-erasure: install  ## See a backup stolen and put back, and the erased stay erased
	$(RUN)/luactl demo --erasure

test: install  ## Run the tests
	$(PARALLEL) -m "not long and not exhaustive and not alone"

test-long: install  ## Run the tests that take minutes
	$(PARALLEL) -m "long and not alone"

test-measures: install  ## Hold the measures to their limits; needs a machine that does nothing else
	$(RUN)/python -m pytest -q -m alone

test-exhaustive: install  ## Cut every command short at every step, and other tests that take an hour
	$(PARALLEL) -m exhaustive

# The tests with a marker, on every version but the one that luactl brings.
define on_versions
	@set -e; for version in 15 18; do \
	  if [ $$version = 15 ] && [ ! -x /usr/lib/postgresql/15/bin/postgres ]; then \
	    echo "Postgres 15: left out, it is not installed (Debian 12: postgresql-15)"; continue; \
	  fi; \
	  echo "Postgres $$version"; \
	  LUACTL_TEST_PG=$$version $(PARALLEL) -m "$(1) and not long and not exhaustive and not alone"; \
	done
endef

test-matrix: install  ## Run what depends on the server's version on Postgres 15 and 18
	$(call on_versions,version)

test-matrix-full: install  ## Run all that uses a server on Postgres 15 and 18
	$(call on_versions,postgres)

check: lint test  ## Run everything that a change must pass

lint: install types imports  ## Check format, style, types and the direction of imports
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .

format: install  ## Format the code
	$(RUN)/ruff check --fix-only -q .
	$(RUN)/ruff format .

types: install
	$(RUN)/mypy luactl commands tui

# The checker follows folders, so it gets a copy in the layout that the wheel has.
imports: install
	rm -rf build/layout && mkdir -p build/layout
	cp -R luactl build/layout/luactl && cp -R commands tui sql build/layout/luactl/
	cd build/layout && ../../$(RUN)/lint-imports --config ../../pyproject.toml --no-logo --no-cache

bench: install  ## Measure against the baselines; one JSON line each
	$(RUN)/python -m bench.run

docs: install  ## Write the command reference anew from the program
	$(RUN)/python -m luactl.commands.reference > docs/reference/commands.md

man: install  ## Write the manual pages into build/man
	$(RUN)/python -m luactl.commands.manual build/man

lock: install  ## Resolve the dependencies anew and write the lock files
	rm -rf build/lock && $(RUN)/python -m venv build/lock
	build/lock/bin/pip install -q .
	build/lock/bin/pip freeze --exclude luactl > requirements.lock
	build/lock/bin/python -c '$(DEV)' | build/lock/bin/pip install -q -r /dev/stdin
	build/lock/bin/pip freeze --all --exclude luactl --exclude pip > requirements-dev.lock

clean:  ## Remove everything that was made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@set -e; if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --seed --python '>=3.11' $(VENV); \
	else \
	  for python in $(PYTHON) $(CANDIDATES); do \
	    if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then \
	      "$$python" -m venv $(VENV); break; \
	    fi; \
	  done; \
	fi
	@test -x $(RUN)/python || { \
	  echo 'error: no Python 3.11 or newer with venv was found' >&2; \
	  echo 'hint: install one (Debian: python3-venv), or run make PYTHON=/path/to/python3' >&2; exit 1; }
	@touch $@

$(VENV)/.locked: requirements-dev.lock | $(VENV)/.made
	@set -e; if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(RUN)/python -r requirements-dev.lock; \
	else \
	  $(RUN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock; \
	fi
	@touch $@

# The build backend is among the locked dependencies, so this step needs no network.
$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@PYTHONWARNINGS=ignore $(RUN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@
