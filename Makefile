# Everything that is done to this repository, once: `make help` lists it. Needs Python 3.11 to 3.13 and make.

VENV := .venv
BIN := $(VENV)/bin
SYNCED := $(VENV)/.synced
ARCHITECTURE ?= x86_64
CODE := layers/larder functions training local client tests examples benchmarks

# The first interpreter that really runs and is new enough (a pyenv shim may be on PATH and still not run).
FIND_PYTHON = for python in $${PYTHON:-python3} python3.13 python3.12 python3.11 python; do \
  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; python=; done; \
  test -n "$$python" || { echo "Larder needs Python 3.11, 3.12 or 3.13: name one, as in: make PYTHON=/path/to/python3.13" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup up test quick check fmt lint types architecture template layers build deploy e2e docs clean

help: ## List what can be made
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(SYNCED) ## Make the virtual environment .venv with everything in it
$(SYNCED): uv.lock pyproject.toml
	@$(FIND_PYTHON); test -x $(BIN)/uv || { echo "Setting up $(VENV) with $$python"; "$$python" -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o 'uv==[0-9.]*' pyproject.toml)"; }
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv sync --active --locked --all-extras --quiet
	@touch $@

up: $(SYNCED) ## Start the whole service on this machine (LARDER_PORT, default 8080); train the demo the first time
	@$(BIN)/larder up

test: $(SYNCED) ## Run all tests but those of the built bundle
	@$(BIN)/pytest -m 'not e2e'

quick: $(SYNCED) ## Run the tests that take no training and no service
	@$(BIN)/pytest -m 'not slow and not e2e'

e2e: $(SYNCED) ## Build the bundle and run it as Lambda does, in Docker where there is one
	@scripts/with-docker $(BIN)/pytest -m e2e tests/e2e

check: lint types architecture template test e2e ## Run all that CI runs; tests check the documents and the layers' drift too

fmt: $(SYNCED) ## Format the code and mend what can be mended
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lint: $(SYNCED) ## Check format and style
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/shellcheck scripts/* .ci/run

types: $(SYNCED) ## Check types, tests included
	@$(BIN)/mypy

architecture: $(SYNCED) ## Check who imports whom
	@$(BIN)/lint-imports

template: $(SYNCED) ## Check template.yaml with SAM, cfn-lint and checkov, which gets an environment of its own
	@SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	@CKV_DISABLE_TELEMETRY=1 BC_SKIP_MAPPING=1 $(BIN)/uv run --quiet --no-project --isolated --python $(BIN)/python \
	  --with-requirements .ci/checkov/requirements.txt checkov --config-file .ci/checkov/config.yaml --file template.yaml

layers: $(SYNCED) ## Write the layers' requirements from uv.lock; fails when they had drifted
	@scripts/export-layers

build: $(SYNCED) ## Build the bundle with SAM, without an AWS account (ARCHITECTURE, default x86_64, or arm64)
	@ARCHITECTURE=$(ARCHITECTURE) scripts/build

deploy: build ## Deploy what was built to AWS: asks for a stack, a region and the parameters (docs/deploy.md)
	@SAM_CLI_TELEMETRY=0 $(BIN)/sam deploy --guided

docs: $(SYNCED) ## Check that the documents' links and commands exist
	@$(BIN)/pytest tests/docs

clean: ## Remove what was built; models in .larder stay
	rm -rf $(VENV) build .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
