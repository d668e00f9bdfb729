.PHONY: setup demo test faults simulate mutants lint requirements clean
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
UV_VERSION := 0.13.8

help:
	@echo "make setup   the environment in $(VENV)"
	@echo "make demo    start the emulator, deploy, send the sample, show the answers, destroy, stop"
	@echo "make test    lint, types and all tests"
	@echo "make simulate  a hundred thousand seeded histories of the real handlers (HISTORIES=100000)"
	@echo "make mutants breaks the handlers in each way of a table; says what nothing finds"
	@echo "make faults  hundreds of requests while everything breaks (SEED=1 REQUESTS=240)"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements-dev.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(PYTHON) --require-hashes -r requirements-dev.txt
	touch $@

demo: setup
	@$(PYTHON) -m examples.demo

test: lint
	$(PYTHON) -m pytest -n 4 --dist loadscope --no-loadscope-reorder

SEED := 1
REQUESTS := 240
HISTORIES := 100000

# The same seed injects the same faults into the same requests.
faults: setup
	$(PYTHON) -m pytest -n 2 tests/faults/proof.py
	$(PYTHON) -m tests.faults --seed $(SEED) --requests $(REQUESTS)

# A failure prints its seed and the shortest schedule.
simulate: setup
	$(PYTHON) -m tests.simulation --histories $(HISTORIES)

mutants: setup
	$(PYTHON) -m tests.simulation --mutants

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ty check

# Pins with hashes and without any index address, for every platform and Python from 3.11 on.
requirements: setup
	$(VENV)/bin/python -m pip install --quiet uv==$(UV_VERSION)
	for name in requirements requirements-dev; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
			--no-header --no-annotate $$name.in -o $$name.txt; done

clean:
	rm -rf $(VENV) .build .local .pytest_cache .ruff_cache .hypothesis artifacts
