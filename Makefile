.PHONY: setup run test lint bench screenshots

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080

setup: $(VENV)/.ready node_modules/.ready

$(VENV)/.ready: requirements-dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

node_modules/.ready: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	touch $@

run: setup
	$(BIN)/python manage.py demo --port $(PORT)

test: setup
	$(BIN)/python -m tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

bench: setup
	@command -v wrk >/dev/null || [ "$$(id -u)" != 0 ] || { apt-get update -qq && apt-get install -y -qq wrk; }
	$(BIN)/python -m bench $(BENCH)

screenshots: setup
	$(BIN)/python -m screenshots
