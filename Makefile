# The tasks of this repository: `make help` lists them. They need Python 3.11, 3.12 or 3.13 and make.

VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
ARCHITECTURE ?= x86_64
# One process per core. The tests of a file stay in one process: they share trained models.
PYTEST := $(BIN)/pytest -n logical --dist loadfile
CODE := layers/larder functions training local client tests examples benchmarks docs/tools

# The first interpreter that runs and has a supported version: a pyenv shim on PATH may fail to run.
FIND_PYTHON = for python in $${PYTHON:-python3} python3.13 python3.12 python3.11 python; do \
  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; python=; done; \
  test -n "$$python" || { echo "Larder needs Python 3.11, 3.12 or 3.13. Give its path, as in: make PYTHON=/path/to/python3.13" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup up test quick exhaustive check fmt lint types architecture template layers build deploy e2e reference survey docs clean

help: ## List the tasks
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(SYNCED) ## Create the virtual environment .venv with all dependencies
$(SYNCED): uv.lock pyproject.toml
	@$(FIND_PYTHON); test -x $(BIN)/uv || { echo "Setting up $(VENV) with $$python"; "$$python" -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o 'uv==[0-9.]*' pyproject.toml)"; }
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv sync --active --locked --all-extras --quiet
	@touch $@

up: $(SYNCED) ## Start the service on this machine (LARDER_PORT, default 8080); the first start trains the demo models
	@$(BIN)/larder up

test: $(SYNCED) ## Run all tests except those of the built bundle and the exhaustive ones
	@$(PYTEST) -m 'not e2e and not exhaustive'

quick: $(SYNCED) ## Run the fast tests: no training, no service
	@$(PYTEST) -m 'not slow and not e2e and not exhaustive'

exhaustive: $(SYNCED) ## Run the tests of thousands of random cases, which take minutes
	@$(PYTEST) -m exhaustive

e2e: $(SYNCED) ## Build the bundle and test it as Lambda runs it, in Docker if available
	@scripts/with-docker $(BIN)/pytest -m e2e tests/e2e

check: lint types architecture template docs test e2e ## Run everything that CI runs, including the drift checks of pages and requirements

fmt: $(SYNCED) ## Format the code and apply automatic fixes
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lint: $(SYNCED) ## Check format, style, spelling and left-over conflicts
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/shellcheck scripts/* .ci/run
	@git ls-files -z | xargs -0 $(BIN)/codespell
	@! git grep -nE '^(<<<<<<<|>>>>>>>)( |$$)' || { echo "Resolve these conflicts of a merge." >&2; exit 1; }

types: $(SYNCED) ## Check types, including those of the tests
	@$(BIN)/mypy

architecture: $(SYNCED) ## Check the import contracts between packages
	@$(BIN)/lint-imports

template: $(SYNCED) ## Check template.yaml with SAM, cfn-lint and checkov (in its own environment)
	@SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	@CKV_DISABLE_TELEMETRY=1 BC_SKIP_MAPPING=1 $(BIN)/uv run --quiet --no-project --isolated --python $(BIN)/python \
	  --with-requirements .ci/checkov/requirements.txt checkov --config-file .ci/checkov/config.yaml --file template.yaml

layers: $(SYNCED) ## Write the layers' requirements from uv.lock; fails if they were out of date
	@scripts/export-layers

build: $(SYNCED) ## Build the bundle with SAM (ARCHITECTURE: x86_64, the default, or arm64); needs no AWS account
	@ARCHITECTURE=$(ARCHITECTURE) scripts/build

deploy: build ## Build and deploy to AWS; asks for the stack name, the region and the parameters (docs/how-to/deploy-to-aws.md)
	@SAM_CLI_TELEMETRY=0 $(BIN)/sam deploy --guided

reference: $(SYNCED) ## Write the generated pages of docs/reference from the code
	@$(BIN)/python docs/tools/reference.py

survey: $(SYNCED) ## Count modules per folder, old names and words that must not come back
	@$(BIN)/python docs/tools/survey.py

docs: $(SYNCED) ## Build the documentation site into build/site, strictly; check links, commands and generated pages
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@$(BIN)/pytest tests/docs -m "not slow"

clean: ## Remove all build output; models in .larder stay
	rm -rf $(VENV) build .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
