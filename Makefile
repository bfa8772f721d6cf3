# Every target sets up its environment once. A stamp in the environment records it, until pyproject.toml or a lock file
# changes or the environment is deleted.

PYTHON ?= python3
PORT ?= 8000
APP ?= examples.messenger.app:app
SEED ?= $(if $(filter examples.messenger.%,$(APP)),examples.messenger.seeds:seed)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PAGES := persisty/hosting/static
MINISTACK := .cache/ministack
DYNAMODB_LOCAL := .cache/dynamodb-local
SITE := .cache/docs-site
CHECKOV := .cache/checkov
ENGINES := memory,sqlite,postgresql,dynamodb-moto,dynamodb-local,dynamodb-boto3
ROLE_ENGINES := memory,sqlite,postgresql,dynamodb-moto,dynamodb-local
SPREAD := $(BIN)/python -m pytest -p persisty.testing.matrix -n 2
CDK := JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20 PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk

.PHONY: run test conformance differential migrations roles fuzz hostile parity check checkov format bench docs synth bootstrap deploy lock clean

run: $(VENV)/.run $(PAGES)/.built
	@$(BIN)/persisty serve $(APP) $(if $(SEED),--seed $(SEED)) --port $(PORT)

test: check $(PAGES)/.built $(MINISTACK)/.installed $(DYNAMODB_LOCAL)/.installed $(SITE)/.installed
	@MINISTACK=$(CURDIR)/$(MINISTACK)/bin/ministack $(SPREAD) --engines $(ENGINES) tests --ignore tests/architecture

# The conformance suite of the engines with its matrix, and eleven linked tables with messy data. `make test` runs them too.
conformance: $(VENV)/.dev $(DYNAMODB_LOCAL)/.installed
	@$(SPREAD) --engines $(ENGINES) tests/conformance tests/museums

# Random calls over every engine, compared with a model in plain Python. `make test` runs a short part of it.
differential: $(VENV)/.dev $(DYNAMODB_LOCAL)/.installed
	@CALLS=$(or $(CALLS),5000) $(SPREAD) --engines $(ENGINES) tests/differential

# Migrations under load, killed at every step, and of many items. `make test` runs a short part of them. ITEMS and THREADS choose others.
migrations: $(VENV)/.dev $(DYNAMODB_LOCAL)/.installed
	@EVERY_STEP=1 ITEMS=$(or $(ITEMS),5000) THREADS=$(or $(THREADS),4) $(BIN)/python -m pytest tests/migrations -s

# Every verb as every role through every surface, with the number of cells that were tried. `make test` runs it too.
roles: $(VENV)/.dev $(DYNAMODB_LOCAL)/.installed
	@$(SPREAD) --engines $(ROLE_ENGINES) tests/roles

# A fuzzer of the OpenAPI document against running servers. FUZZ_SECONDS=600 and FUZZ_SEED=7 run longer than `make test`, which
# runs it too.
fuzz: $(VENV)/.dev $(PAGES)/.built
	@$(SPREAD) tests/fuzz

# At least 50,000 hostile requests to every surface while /health is polled: no 5xx, no response of /health above 250 ms, at most 300 MB.
# HOSTILE_REQUESTS and HOSTILE_SEED choose others. `make test` runs a short part.
hostile: $(VENV)/.dev $(PAGES)/.built
	@$(BIN)/python -m tests.hostile

# One table of requests through every host. `make test` runs it too.
parity: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/parity

check: $(VENV)/.dev $(PAGES)/.built
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest tests/architecture

# checkov over the templates of the example. `make test` runs cfn-lint and cdk-nag; this needs 90 more packages.
checkov: $(VENV)/.dev $(PAGES)/.built $(CHECKOV)/.installed
	@$(CDK) synth --quiet --output $(CHECKOV)/templates --context target=local
	@JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20 $(BIN)/python -m tests.template.checkov $(CHECKOV)/bin/checkov $(CHECKOV)/templates

format: $(VENV)/.dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks

# The documentation as a site with a search: build/docs/index.html. `make test` builds it too.
docs: $(SITE)/.installed
	@$(PYTHON) ui/docs/build.py $(SITE)/bin/sphinx-build build/docs

synth: $(VENV)/.dev $(PAGES)/.built
	@$(CDK) synth --quiet --context app=$(APP) $(CDK_ARGS)

# Once for an account and region: the bucket and roles that the CDK CLI deploys with.
bootstrap: $(VENV)/.dev $(PAGES)/.built
	@$(CDK) bootstrap --context app=$(APP) $(CDK_ARGS)

deploy: $(VENV)/.dev $(PAGES)/.built
	@$(CDK) deploy --all --require-approval never --context app=$(APP) $(CDK_ARGS)

# Pins every Python package of the targets at its installed and tested version.
lock: $(VENV)/.bench
	@$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf $(VENV) .cache .persisty/code node_modules cdk.out persisty/hosting/static

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt examples/requirements.txt | $(VENV)/pyvenv.cfg
	@echo "setting up: the server"
	@$(PIP) install -c constraints.txt -e '.[server]' -r examples/requirements.txt
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt requirements.txt examples/requirements.txt | $(VENV)/pyvenv.cfg
	@echo "setting up: development"
	@$(PIP) install -c constraints.txt -e '.[dev]' -r examples/requirements.txt
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(VENV)/.dev
	@echo "setting up: the peers to measure against"
	@$(PIP) install -c constraints.txt -e '.[dev,bench]'
	@touch $@

node_modules/.installed: package-lock.json
	@echo "setting up: the CDK CLI and the pages"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGES)/.built: node_modules/.installed ui/build.mjs
	@node ui/build.mjs
	@touch $@

# A development tool with its own environment, because it pins botocore. It runs functions in its own Python, which has the SDK
# like Lambda's runtime.
$(MINISTACK)/.installed:
	@echo "setting up: ministack"
	@$(PYTHON) -m venv $(MINISTACK)
	@$(MINISTACK)/bin/python -m pip --disable-pip-version-check -qq install ministack==1.5.33 boto3
	@touch $@

# The libraries that build the documentation site, separate from those that run an app.
$(SITE)/.installed: ui/docs/requirements.txt
	@echo "setting up: the site of the documentation"
	@test -d $(SITE) || $(PYTHON) -m venv $(SITE)
	@$(SITE)/bin/python -m pip --disable-pip-version-check -qq install -r ui/docs/requirements.txt
	@touch $@

$(CHECKOV)/.installed: tests/template/checkov-requirements.txt
	@echo "setting up: checkov"
	@test -d $(CHECKOV) || $(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip --disable-pip-version-check -qq install -r tests/template/checkov-requirements.txt
	@touch $@

# AWS's DynamoDB Local, from an npm package that contains it. It needs Java.
$(DYNAMODB_LOCAL)/.installed:
	@command -v java >/dev/null || { echo "DynamoDB Local needs Java: apt-get install default-jre-headless, or any Java 17"; exit 1; }
	@echo "setting up: DynamoDB Local"
	@mkdir -p $(DYNAMODB_LOCAL)
	@npm pack --silent --pack-destination $(DYNAMODB_LOCAL) amplify-dynamodb-simulator@2.9.30 >/dev/null
	@tar -xzf $(DYNAMODB_LOCAL)/amplify-dynamodb-simulator-2.9.30.tgz -C $(DYNAMODB_LOCAL) --strip-components=1 package/emulator
	@rm $(DYNAMODB_LOCAL)/*.tgz
	@touch $@
