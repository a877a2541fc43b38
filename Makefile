# Everything a person or a machine does with this checkout. `make help` lists it.

PYTHON ?= python3
T ?= tests
ARGS ?=
SEEDS ?= 1000
FIRST ?= 0
JOBS ?= 2

MEMBERS = core $(wildcard plugins/*)
PROJECTS = pyproject.toml hatch_build.py $(wildcard core/pyproject.toml plugins/*/pyproject.toml)
SOURCES := $(shell find core/src plugins/*/src -name '*.py')
DEV = .venv-dev/bin
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517
DEV_PIP = $(DEV)/python -m pip install --quiet --disable-pip-version-check
NEW_ENOUGH = import sys; sys.version_info >= (3, 11) or sys.exit( \
	"gridmap needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	": name another, as in make demo PYTHON=python3.12")

.DEFAULT_GOAL := help
.PHONY: help demo test interpreters lint format types imports docs check bench simulate clean \
	pictures lock audit \
	cluster-up cluster-down cluster-shell cluster-forward

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make test T=tests/unit ARGS="-k resources -x"   only some tests'
	@echo '  make test CLUSTERS=slurm                        only one cluster; "" for none'
	@echo '  make demo PYTHON=python3.12                     another interpreter'

demo: .venv/ready ## Install into .venv and run the example on this machine
	@.venv/bin/python examples/stdlib_census.py --backend local $(ARGS)

test: ## Run every test, on real clusters where they can be had (root on Debian)
	@$(PYTHON) tests/suite.py $(T) $(ARGS)

interpreters: ## Run what needs no cluster on the other Pythons found here
	@$(PYTHON) -m tests.interpreters $(ARGS)

lint: .venv-dev/ready ## Check style, format and spelling
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/codespell

format: .venv-dev/ready ## Bring the sources into the house format
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

types: .venv-dev/ready ## Check types, strictly, sources and tests
	$(DEV)/mypy

imports: .venv-dev/ready ## Check that imports point one way
	$(DEV)/lint-imports

docs: .venv-dev/ready ## Build the documentation, warnings are errors
	$(DEV)/sphinx-build -n -W --keep-going -b html docs docs/_build/html

pictures: .venv-dev/ready ## Take the dashboard's pictures anew, after a change to it
	$(DEV)/python docs/_ext/pictures.py

lock: .venv-dev/ready ## Resolve requirements/ anew, with hashes, after a change to them
	@$(DEV)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(DEV)/python requirements/lock.py

audit: .venv-dev/ready ## Look for known holes in what is locked: ADVISORIES=DIRECTORY
	@$(DEV)/python requirements/audit.py $(ADVISORIES)

check: lint types imports $(if $(wildcard docs/conf.py),docs) ## All of lint, types, imports, docs

cluster-up: ## Start a two-node Grid Engine and a two-node Slurm to play with
	@$(PYTHON) tests/cluster install
	@$(PYTHON) tests/cluster up

cluster-shell: ## Open a shell on the clusters' head node, as an ordinary user
	@$(PYTHON) tests/cluster shell

cluster-forward: ## Let a browser here reach a page on the clusters' head node
	@$(PYTHON) tests/cluster forward

cluster-down: ## Take the clusters down
	@$(PYTHON) tests/cluster down

simulate: .venv-dev/ready ## Search SEEDS simulated runs for a broken promise
	PYTHONPATH=. $(DEV)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST) \
		--jobs $(JOBS) $(ARGS)

bench: .venv-dev/ready ## Measure, beside the peers: make bench PEERS=DIRECTORY
	@[ -n "$(PEERS)" ] || { echo 'The peers go into an environment of their own, say /var/tmp/peers:'; \
		echo '  $(PYTHON) -m venv /var/tmp/peers'; \
		echo '  /var/tmp/peers/bin/pip install -e core -e plugins/local joblib loky distributed parsl ray'; \
		echo '  make bench PEERS=/var/tmp/peers'; echo 'Going on without them.'; }
	$(if $(PEERS),$(PEERS)/bin,$(DEV))/python benchmarks $(ARGS)

clean: ## Remove what make made here and under /var/tmp
	rm -rf .venv .venv-dev docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .coverage .coverage.*
	@$(PYTHON) tests/suite.py --clean
	@$(PYTHON) -m tests.interpreters --clean

# The demo's environment: installed as a user would. Where only sources have changed
# since, nothing is downloaded again.
.venv/ready: $(PROJECTS) $(SOURCES)
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) cannot make virtual environments: apt install python3-venv' >&2; exit 1; }
	@if [ -e $@ ] && [ -z "$(filter $(PROJECTS),$?)" ]; then \
		echo '==> installing what has changed into .venv'; \
		$(PIP) --no-deps --force-reinstall $(addprefix ./,$(MEMBERS)); \
	else \
		echo '==> making .venv and installing gridmap into it (about half a minute)'; \
		rm -rf .venv && $(PYTHON) -m venv .venv && $(PIP) .; \
	fi
	@touch $@

# The developer's environment: members in place, every checker in its pinned version.
.venv-dev/ready: $(PROJECTS) requirements/dev.lock
	@echo '==> making .venv-dev with the checkers (about a minute)'
	@rm -rf .venv-dev && $(PYTHON) -m venv .venv-dev
	@$(DEV_PIP) --require-hashes -r requirements/dev.lock
	@$(DEV_PIP) --no-deps --no-build-isolation --use-pep517 $(addprefix -e ./,$(MEMBERS))
	@touch $@
