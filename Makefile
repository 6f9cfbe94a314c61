# Everything made here lives in .local/ and node_modules/.
.DEFAULT_GOAL := help
.PHONY: help demo up down test check bench tools synth
SHELL := /bin/bash

RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c '$(RECENT)' 2>/dev/null && echo $$p && break; done)
BIN := .local/venv/bin
TOOLS := .local/venv/installed
EMULATOR := .local/emulator-venv/installed
CDK := node_modules/.package-lock.json

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(TOOLS) $(EMULATOR) $(CDK) ## one try-on with Nova Canvas and TryItOn on the local cloud; the pictures land in .local/demo
	@$(BIN)/python -m local.demo

up: $(TOOLS) $(EMULATOR) $(CDK) ## start the local cloud and deploy what changed
	@$(BIN)/python -m local.cloud up

down: ## stop the local cloud and forget its state
	@! test -e $(TOOLS) || $(BIN)/python -m local.cloud down

test: check $(EMULATOR) $(CDK) ## every test, the end-to-end ones on the local cloud
	@$(BIN)/pytest tests/unit tests/contract tests/workflow tests/infra
	@$(BIN)/python -m local.cloud up
	@$(BIN)/pytest tests/e2e

check: $(TOOLS) ## lint and types
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(TOOLS) $(EMULATOR) $(CDK) ## import times, the memory of Prepare and the overhead of a job
	@$(BIN)/python -m local.cloud up
	@for bench in imports image_master prepare_memory job_overhead; do \
	  echo; PYTHONPATH=.:lambdas $(BIN)/python tests/bench/$$bench.py || exit 1; done

tools: $(TOOLS) $(CDK) ## what a deployment to AWS needs: Python packages, Node and the CDK CLI, all inside this folder

synth: $(TOOLS) $(CDK) ## the CloudFormation templates, in cdk.out; STAGE=dev|prod
	@PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk synth --quiet --no-notices -c stage=$(or $(STAGE),dev)

# folder, requirements
define environment
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(RECENT)' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed and was not found; name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot make virtual environments: install the package python3-venv" >&2; exit 1; }
	@echo "installing $(2)"
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/pip install --quiet --disable-pip-version-check -r $(2)
endef

$(TOOLS): requirements.txt
	$(call environment,.local/venv,$<)
	@touch $@

$(EMULATOR): local/emulator-requirements.txt
	$(call environment,.local/emulator-venv,$<)
	@touch $@

$(CDK): package-lock.json | $(TOOLS)
	@echo "installing the CDK CLI"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-fund --no-audit > /dev/null
	@touch $@
