# Every target sets up what it needs, once: the stamps below remember it until pyproject.toml or a lock file changes.

PYTHON ?= python3
PORT ?= 8000
APP ?= examples.messenger.app:app
SEED ?= examples.messenger.seeds:seed

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
STAMPS := .cache/stamps
MINISTACK := .cache/ministack
CDK := JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=1 PATH="$(CURDIR)/$(BIN):$$PATH" node_modules/.bin/cdk

.PHONY: run test check format unit bench synth bootstrap deploy lock clean

run: $(STAMPS)/run $(STAMPS)/ui
	@$(BIN)/persisty serve $(APP) --seed $(SEED) --port $(PORT)

test: check $(STAMPS)/ui $(STAMPS)/ministack
	@MINISTACK=$(CURDIR)/$(MINISTACK)/bin/ministack $(BIN)/python -m pytest -n 2 --dist loadfile tests --ignore tests/architecture

check: $(STAMPS)/dev $(STAMPS)/ui
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest tests/architecture

format: $(STAMPS)/dev
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(STAMPS)/bench
	@$(BIN)/python -m benchmarks

synth: $(STAMPS)/dev $(STAMPS)/ui
	@$(CDK) synth --quiet --context app=$(APP) $(CDK_ARGS)

# Once for an account and region: the bucket and roles that the CDK CLI deploys with.
bootstrap: $(STAMPS)/dev $(STAMPS)/ui
	@$(CDK) bootstrap --context app=$(APP) $(CDK_ARGS)

deploy: $(STAMPS)/dev $(STAMPS)/ui
	@$(CDK) deploy --all --require-approval never --context app=$(APP) $(CDK_ARGS)

# Pins every Python package the targets install, from what is installed and passes.
lock: $(STAMPS)/bench
	@$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf $(VENV) .cache node_modules cdk.out persisty/hosting/static

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "setting up: the server"
	@$(PIP) install -c constraints.txt -e '.[sql,server,cli]'
	@mkdir -p $(@D) && touch $@

$(STAMPS)/dev: pyproject.toml constraints.txt requirements.txt | $(VENV)/pyvenv.cfg
	@echo "setting up: development"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@mkdir -p $(@D) && touch $@ $(STAMPS)/run

$(STAMPS)/bench: $(STAMPS)/dev
	@echo "setting up: the peers to measure against"
	@$(PIP) install -c constraints.txt -e '.[dev,bench]'
	@touch $@

$(STAMPS)/ui: package-lock.json ui/build.mjs
	@echo "setting up: the pages and the CDK CLI"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@node ui/build.mjs
	@mkdir -p $(@D) && touch $@

# A development tool with its own pinned botocore, so it lives apart.
$(STAMPS)/ministack:
	@echo "setting up: ministack"
	@$(PYTHON) -m venv $(MINISTACK)
	@$(MINISTACK)/bin/python -m pip --disable-pip-version-check -qq install ministack==1.5.33
	@mkdir -p $(@D) && touch $@
