.PHONY: setup run test lint bench soak messages screenshots

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080

CATALOGS := $(wildcard locale/*/LC_MESSAGES/*.po)

setup: $(VENV)/.ready node_modules/.ready $(CATALOGS:.po=.mo)

$(VENV)/.ready: requirements-dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

node_modules/.ready: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund
	touch $@

%.mo: %.po $(VENV)/.ready
	$(BIN)/python manage.py compile_translations

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

soak: setup
	$(BIN)/python -m soak $(SOAK)

messages: setup
	@command -v xgettext >/dev/null || { echo "This needs GNU gettext: apt-get install gettext"; exit 1; }
	$(BIN)/python manage.py makemessages --all --no-wrap --no-obsolete --add-location=file \
		--ignore=.venv --ignore=node_modules --ignore=var --ignore=tests --ignore=bench --ignore=screenshots \
		--ignore=soak
