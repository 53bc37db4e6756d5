# make demo   the main job on this machine: collector, agent, real checks, what was found and where to look
# make test   the tests; what needs a service that is not there is skipped with one line
# make lint   format, lint, types and floors       make bench   measured promises, side by side
# make docs   write again what is generated from the code
# make dist   wheel, sdist, and the agent as one folder that needs no Python (docs/standalone.md)
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ARGS ?=

.PHONY: demo test lint format bench docs dist clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Firstlight needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment; on Debian: apt-get install python3-venv"; exit 2; }

$(VENV)/.server: pyproject.toml | $(BIN)/python
	@echo "Setting up in $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[server]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "Setting up in $(VENV) with what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.server $(VENV)/.dist

$(VENV)/.dist: pyproject.toml | $(BIN)/python
	@echo "Setting up in $(VENV) with what the standalone build needs …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dist]'
	@touch $@

demo: $(VENV)/.server
	@$(BIN)/firstlight server demo $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test
	$(BIN)/python -m compileall -q agent checks reports server
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/local.py
	$(BIN)/python bench/idle.py --seconds 60
	$(BIN)/python bench/cheap.py --no-peers   # without it testinfra and serverspec too
	$(BIN)/python bench/ssh.py --no-peers   # without it all peers too, which takes a quarter of an hour
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/chaos.py --runs 1000 --agent-kills 100 --server-kills 20   # all of it without options

# What is generated from the code and kept in the repository; the tests say when it is stale.
docs: $(VENV)/.test
	$(BIN)/python -m checks.catalogue docs/checks
	$(BIN)/python -m checks.compiled

dist: $(VENV)/.dist
	@$(BIN)/python -m standalone.build $(ARGS)

clean:
	rm -rf $(VENV) .firstlight-demo build dist bench/results bench/.peers .mypy_cache .ruff_cache .pytest_cache
