.PHONY: help setup demo test format lint faults parity simulate mutants bench bench-quick security policies requirements sbom clean
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python

# Another Python makes the environments anew: the stamp of each has the version in its name.
FOUND := $(shell python3 -c 'import sys; print("{}.{}".format(*sys.version_info))')
STAMP := .installed-$(FOUND)

# An environment with what a lock file pins, each package by its hash. $(1): its folder; $(2): the file.
define environment
	@python3 -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: Python 3.11 or later is needed; python3 is $(FOUND)")'
	rm -rf $(1)
	python3 -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	$(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python --require-hashes -r $(2)
	touch $(1)/$(STAMP)
endef

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/$(STAMP) ## the environment in .venv, with what all other commands need

$(VENV)/$(STAMP): requirements-dev.txt requirements-uv.txt
	$(call environment,$(VENV),requirements-dev.txt)

demo: setup ## start the emulator, deploy, send the sample, show the answers, destroy, stop
	@$(PYTHON) -m examples.demo

# Four processes import the tests: what the first has compiled, the others read.
test: lint ## lint, types and all tests
	PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n 4 --dist loadscope --no-loadscope-reorder

format: setup ## lay out all Python files
	$(VENV)/bin/ruff format --quiet .

lint: setup ## layout, lint and types
	$(VENV)/bin/ruff format --check --quiet . || { echo "error: the layout differs; make format mends it"; exit 1; }
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ty check

SEED := 1
REQUESTS := 240
HISTORIES := 100000

# The same seed injects the same faults into the same requests.
faults: setup ## hundreds of requests while everything breaks (SEED=1 REQUESTS=240)
	$(PYTHON) -m pytest -n 2 tests/faults/proof.py
	$(PYTHON) -m tests.faults --seed $(SEED) --requests $(REQUESTS)

parity: setup ## small programs by this engine, beside what Pulumi documents and, where it is on PATH, beside the Pulumi CLI
	$(PYTHON) -m pytest -n 2 tests/parity/proof.py

# A failure prints its seed and the shortest schedule.
simulate: setup ## a hundred thousand seeded histories of the real handlers (HISTORIES=100000)
	$(PYTHON) -m tests.simulation --histories $(HISTORIES)

mutants: setup ## break the handlers in each way of a table; say what nothing finds
	$(PYTHON) -m tests.simulation --mutants

bench: setup ## beside the four samples and as the work grows; writes docs/performance.md
	$(PYTHON) -m benchmarks --page

AGAINST :=

bench-quick: setup ## the rows beside the samples, or beside another commit of this project (AGAINST=REV)
	$(PYTHON) -m benchmarks --quick $(if $(AGAINST),--against $(AGAINST))

# The scanners have an environment of their own, with a hundred packages.
security: setup policies .build/security/$(STAMP) ## scan the program and the code; fail on what docs/security.md does not accept
	$(PYTHON) -m security

policies: policies/venv/$(STAMP) ## the environment of the policy pack, for pulumi preview --policy-pack policies

policies/venv/$(STAMP): policies/requirements.txt requirements-uv.txt
	$(call environment,policies/venv,policies/requirements.txt)

.build/security/$(STAMP): requirements-security.txt requirements-uv.txt
	$(call environment,.build/security,requirements-security.txt)

COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header --no-annotate

# Pins with hashes and without any index address, for every platform and Python from 3.11 on. What is pinned for one is so for all.
requirements: setup ## lock requirements*.in anew
	for name in requirements-dev requirements-uv requirements-sbom requirements-security policies/requirements; do \
		$(COMPILE) $$name.in -o $$name.txt || exit; done
	for name in requirements requirements-local requirements-report; do \
		$(COMPILE) --constraints requirements-dev.txt $$name.in -o $$name.txt || exit; done

# A bill of materials (CycloneDX) of what deploying needs, and of all that the tests need, from the lock files alone.
sbom: .build/sbom/$(STAMP) ## bills of materials in artifacts/, from the lock files
	mkdir -p artifacts
	for name in requirements requirements-dev; do \
		PYTHONWARNINGS=ignore .build/sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible $$name.txt \
			-o artifacts/$$name.cdx.json || exit; done

.build/sbom/$(STAMP): requirements-sbom.txt requirements-uv.txt
	$(call environment,.build/sbom,requirements-sbom.txt)

clean: ## remove what these commands made
	rm -rf $(VENV) policies/venv .build .local .pytest_cache .ruff_cache .hypothesis artifacts
