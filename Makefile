# Everything made here lives in .local/ and node_modules/.
.DEFAULT_GOAL := help
.PHONY: help demo up down test check openapi check-catalogue providers-doc bench load cost faults fuzz tools synth deploy destroy
SHELL := /bin/bash

RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c '$(RECENT)' 2>/dev/null && echo $$p && break; done)
BIN := .local/venv/bin
TOOLS := .local/venv/installed
TESTS := .local/venv/tests-installed
EMULATOR := .local/emulator-venv/installed
CDK := node_modules/.package-lock.json
SECOND := LOCAL_CLOUD=$(CURDIR)/.local/second

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(TOOLS) $(EMULATOR) $(CDK) ## a try-on with FASHN and Aidge, and a batch of eight; the pictures land in .local/demo
	@PYTHONPATH=client $(BIN)/python -m local.demo

up: $(TOOLS) $(EMULATOR) $(CDK) ## start the local cloud and deploy what changed
	@$(BIN)/python -m local.cloud up

down: ## stop the local cloud and forget its state
	@! test -e $(TOOLS) || $(BIN)/python -m local.cloud down
	@! test -e .local/second || $(SECOND) $(BIN)/python -m local.cloud down

# The end-to-end tests mostly wait, on two local clouds; everything else is nice and fills the time.
test: $(TESTS) $(EMULATOR) $(CDK) ## every test, the end-to-end ones on the local cloud
	@rm -f .local/e2e-*.log; \
	($(BIN)/python -m local.cloud up > .local/e2e-1.log 2>&1 && { \
	  $(BIN)/pytest -p no:cacheprovider tests/e2e/test_[a-ko]*.py >> .local/e2e-1.log 2>&1 & one=$$!; \
	  $(SECOND) $(BIN)/python -m local.cloud up > .local/e2e-2.log 2>&1 \
	    && $(SECOND) $(BIN)/pytest -p no:cacheprovider tests/e2e/test_[l-np-z]*.py >> .local/e2e-2.log 2>&1; two=$$?; \
	  wait $$one && exit $$two; }) & ends=$$!; \
	nice $(BIN)/pytest -p no:cacheprovider tests/integration > .local/integration.log 2>&1 & three=$$!; \
	nice make --no-print-directory check; checked=$$?; \
	nice $(BIN)/pytest -p no:cacheprovider tests/unit tests/contract tests/infra tests/workflow tests/faults; rest=$$?; \
	wait $$three; three=$$?; cat .local/integration.log; \
	echo "the end-to-end tests, which ran beside these on two local clouds:"; \
	wait $$ends; ends=$$?; cat .local/e2e-*.log; \
	$(SECOND) $(BIN)/python -m local.cloud down; exit $$((checked || rest || three || ends))

check: $(TESTS) ## lint, types and the direction of imports
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PYTHONPATH=lambdas:client $(BIN)/lint-imports --no-logo --cache-dir .local/import-linter

openapi: $(TOOLS) ## docs/openapi.json from the routes and models; BREAKING=1 writes what breaks clients, too
	@PYTHONPATH=.:lambdas $(BIN)/python -m openapi $(if $(BREAKING),--breaking)

check-catalogue: $(TOOLS) ## name the prices, dates and model ids that nobody has looked at for 90 days
	@PYTHONPATH=.:lambdas $(BIN)/python -m local.check_catalogue

providers-doc: $(TOOLS) ## the tables of docs/providers.md, docs/privacy.md and each provider's page, from the catalogue
	@PYTHONPATH=.:lambdas $(BIN)/python -m local.providers_doc

bench: $(TESTS) $(EMULATOR) $(CDK) ## cold starts, the memory of Prepare and the overhead of a job
	@$(BIN)/python -m local.cloud up
	@for bench in imports image_master prepare_memory start_memory job_overhead; do \
	  echo; PYTHONPATH=.:lambdas $(BIN)/python tests/bench/$$bench.py || exit 1; done

load: $(TOOLS) $(EMULATOR) $(CDK) ## hundreds of jobs at once while ten functions run at once; RUNS="sandbox=50 tryiton=20+nova_canvas=10"
	@$(BIN)/python -m local.cloud up
	@PYTHONPATH=.:lambdas $(BIN)/python tests/bench/load.py \
	  $(or $(RUNS),sandbox=50 sandbox=100 sandbox=200 sandbox=500+tryiton=200+nova_canvas=100)

cost: $(TOOLS) $(EMULATOR) $(CDK) ## what AWS bills for one job of each kind, counted on the local cloud, at list prices; about 20 minutes
	@$(BIN)/python -m local.cloud up
	@PYTHONPATH=.:lambdas $(BIN)/python tests/bench/cost.py

faults: $(TOOLS) $(CDK) ## fail every call of a job's life once, and print how each of these jobs ends
	@PYTHONPATH=.:lambdas $(BIN)/python tests/faults/table.py

fuzz: $(TESTS) $(EMULATOR) $(CDK) ## every route of the deployed API, with what its document allows and forbids; EXAMPLES=200 of each route
	@$(BIN)/python -m local.cloud up
	@SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/pytest -p no:cacheprovider tests/e2e/test_schemathesis.py

tools: $(TOOLS) $(CDK) ## what a deployment to AWS needs: Python packages, Node and the CDK CLI, all inside this folder

synth: $(TOOLS) $(CDK) ## the CloudFormation templates, in cdk.out; STAGE=dev|prod
	@PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk synth --quiet --no-notices -c stage=$(or $(STAGE),dev)

deploy: $(TOOLS) $(CDK) ## deploy a stage to your AWS account; STAGE=dev|prod
	@PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk deploy --all --no-notices -c stage=$(or $(STAGE),dev)

destroy: $(TOOLS) ## delete a stage, with the data of one that keeps none; STAGE=dev|prod
	@$(BIN)/python -m infra.destroy $(STAGE)

# folder, requirements
define install
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(RECENT)' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed and was not found; name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) local/install.py $(1) $(2)
	@touch $@
endef

$(TOOLS): requirements.txt
	$(call install,.local/venv,$<)

$(TESTS): tests/requirements.txt | $(TOOLS)
	$(call install,.local/venv,$<)

$(EMULATOR): local/emulator-requirements.txt | $(TOOLS)
	$(call install,.local/emulator-venv,$<)

$(CDK): package-lock.json | $(TOOLS)
	@echo "installing the CDK CLI: about 11 MB to download"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-fund --no-audit --no-update-notifier --loglevel=error > /dev/null
	@touch $@
