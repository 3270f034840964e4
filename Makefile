# Two commands: `make demo` and `make test`. Each sets up its own environment
# from Python 3.11+ and make; the versions are locked with hashes in requirements/.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet --quiet
PYTEST := $(VENV)/bin/python -m pytest

# The test workers share the cores; BLAS threads on top of them only slow everything down.
test: export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test check live-tools deploy-tools audit bench chaos clean

demo: $(VENV)/.core
	$(VENV)/bin/homeostat demo

test: $(VENV)/.dev live-tools deploy-tools check
	$(PYTEST) tests

check: $(VENV)/.dev
	$(VENV)/bin/ruff check agent tests benchmarks tools examples
	$(VENV)/bin/ruff format --check agent tests benchmarks tools examples
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

bench: $(VENV)/.dev live-tools
	$(VENV)/bin/python benchmarks/decide.py
	$(VENV)/bin/python benchmarks/lint.py
	$(VENV)/bin/python benchmarks/sense.py
	$(VENV)/bin/python -m benchmarks.fuzz
	$(VENV)/bin/python -m benchmarks.dag
	$(VENV)/bin/python -m benchmarks.long_run
	$(VENV)/bin/python -m benchmarks.rig
	$(VENV)/bin/python -m benchmarks.journal
	$(VENV)/bin/python -m benchmarks.learning
	$(VENV)/bin/python -m benchmarks.simulate
	$(VENV)/bin/python -m benchmarks.gate
	$(VENV)/bin/python -m benchmarks.harm
	$(VENV)/bin/python -m benchmarks.end_to_end
	$(VENV)/bin/python -m benchmarks.retrain
	$(VENV)/bin/python -m benchmarks.console

# Agents, server and network hurt in every way, effects counted by a witness; as root, links are cut too.
chaos: export OPENBLAS_NUM_THREADS := 1
chaos: $(VENV)/.dev live-tools
	$(VENV)/bin/python -m tests.chaos

# A real Prometheus and a real PostgreSQL for tests, where this machine lets us install them.
live-tools:
	@tools/install_live_tools.sh

# helm and the validators for tests/acceptance/test_deploy.py.
deploy-tools: $(VENV)/.deploy

$(VENV)/.deploy: $(VENV)/.dev requirements/deploy.lock tools/install_deploy_tools.sh
	@tools/install_deploy_tools.sh $(VENV)
	@touch $@

# Known vulnerabilities of what is locked. It asks a service outside, so it is no part of `make test`.
# --strict: a package that could not be looked up is a failure, not a pass.
audit: $(VENV)/.dev
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/core.lock
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/dev.lock
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/deploy.lock
	$(VENV)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/peers.lock

$(VENV)/.venv: 
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Homeostat needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.venv requirements/core.lock pyproject.toml
	@echo "setting up $(VENV): packages are fetched once, which takes a minute or two"
	$(PIP) install --require-hashes -r requirements/core.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements/dev.lock
	$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

clean:
	rm -rf $(VENV) .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis
