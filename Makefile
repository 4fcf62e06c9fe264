# `make` alone lists the targets. Nothing is installed outside .venv; a second run with nothing changed installs nothing.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo up test oldest check lint types audit bench relevance faults lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: .venv/.demo ## servers, stand-in ERPs, sync, page on http://127.0.0.1:8000 (PORT overrides), until Ctrl-C
	@$(BIN)/python -m demo.up --stand-ins

up: .venv/.demo ## the same without the stand-ins: your sources.toml
	@$(BIN)/python -m demo.up

test: .venv/.all ## the whole test suite, on real servers (OPENSEARCH_VERSION=2.19: the older; SERVERS=docker: stock images)
	$(BIN)/pytest $(SIDE_BY_SIDE) tests/unit tests/sources
	$(BIN)/pytest $(SIDE_BY_SIDE) tests/faults tests/search tests/contract tests/browser
# Two workers, each with servers of its own; the long files come first, so that neither waits for the other at the end.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
# A test's OpenSearch lives for minutes: Java's second compiler takes more of two cores than it gives back (614 s with it, 485 s without).
test oldest: export JAVA_TOOL_OPTIONS := -XX:TieredStopAtLevel=1

check: lint types test oldest ## what CI runs: lint, types, tests

oldest: .venv/.all ## the tests of what could differ between OpenSearch's versions, on the oldest supported one
	OPENSEARCH_VERSION=2.19 $(BIN)/pytest -q -m engines tests/contract tests/search tests/faults

lint: .venv/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.all
	$(BIN)/mypy

audit: .venv-audit/.done ## what the lock has of known vulnerabilities; says so where nobody can be asked
	@.venv-audit/bin/python .ci/audit.py lock/runtime.txt

bench: .venv/.all ## the benchmarks; each prints its figure, its limit or peer, and the ratio
	$(BIN)/python -m bench

relevance: .venv/.all ## the judged questions: a table by kind, ours beside a plain index
	$(BIN)/pytest -q tests/search/test_relevance.py

faults: .venv/.all ## the long fault campaign (FAULTS=3000, SEED=7 repeats one), and a cluster whose elected node is killed
	$(BIN)/pytest -q -s tests/faults/test_cluster.py
	$(BIN)/python -m tests.faults.campaign --faults $(FAULTS) $(if $(SEED),--seed $(SEED))
FAULTS ?= 3000

lock: ## lock files anew from pyproject.toml: versions and hashes, no addresses
	uv pip compile -q pyproject.toml $(LOCK) -o lock/runtime.txt
	uv pip compile -q pyproject.toml $(LOCK) -c lock/runtime.txt --extra embedded --extra demo -o lock/demo.txt
	uv pip compile -q pyproject.toml $(LOCK) -c lock/demo.txt --all-extras -o lock/all.txt
	uv pip compile -q lock/audit.in $(LOCK) -o lock/audit.txt
	uv pip compile -q tests/sources/tryton-requirements.in $(LOCK) -o tests/sources/tryton-requirements.txt
	uv pip compile -q tests/sources/gnuhealth-requirements.in $(LOCK) $(UNUSED:%=--no-emit-package %) -o tests/sources/gnuhealth-requirements.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
UNUSED := contourpy cycler fonttools gnuhealth-control kiwisolver matplotlib numpy pillow psutil psycopg2 pyparsing

clean: ## forget what was installed and what the embedded servers hold
	rm -rf .venv .venv-audit .venv-tryton .venv-gnuhealth .bulario

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; PYTHON=/path/to/python3.11 make ... names one"; exit 2; }
	$(PYTHON) -m venv .venv || { echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 2; }

# --no-deps and --no-build-isolation: everything comes from the lock, checked by its hash, and nothing beside it (pyproject.toml says
# which package is left out, and why).
.venv/.demo: lock/demo.txt pyproject.toml | .venv/bin/python
	@echo "installing the locked packages into .venv"
	$(BIN)/pip install -q --no-deps --require-hashes -r lock/demo.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/.all: lock/all.txt .venv/.demo
	@echo "installing what the tests need into .venv"
	$(BIN)/pip install -q --no-deps --require-hashes -r lock/all.txt
	@touch $@

.venv-audit/.done: lock/audit.txt
	@$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install -q --no-deps --require-hashes -r lock/audit.txt
	@touch $@
