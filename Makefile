# Everything a user or a developer types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && break; done)

SOURCE ?= demo
SPEED ?= 1
FLOW ?= trading
DURATION ?= 0
SYMBOLS ?=
ARGS ?=
JOBS ?= auto

.PHONY: help setup run-dataflow backtest demo-learning test lint format bench migrate up down requirements schemas clean

help: ## List what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18
	@printf '\nrun-dataflow takes SOURCE=demo|bybit|FILE|FOLDER SPEED=1|10|max FLOW=trading|features DURATION=seconds SYMBOLS=A,B\n'

setup: $(VENV)/ready ## Make the virtual environment with the locked dependencies

$(VENV)/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 found. Install one (Debian: apt-get install python3 python3-venv) or say PYTHON=..."; exit 3; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module. Debian: apt-get install python3-venv"; exit 3; }
	@echo "Setting up $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.lock
	@echo "Adding what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run-dataflow: $(VENV)/ready ## Market data -> events -> features -> signals, traded on paper, with a live view; Ctrl-C ends it
	@LOCKSTEP_STOP_WITH_PARENT=1 $(BIN)/lockstep run-dataflow --source '$(SOURCE)' --speed '$(SPEED)' --flow '$(FLOW)' \
		--duration '$(DURATION)' $(if $(SYMBOLS),--symbols '$(SYMBOLS)') $(ARGS)

backtest: $(VENV)/ready ## Replay a demo session on paper and write a page; SOURCE=topic replays the session in use
	@$(BIN)/lockstep backtest --source '$(SOURCE)' $(ARGS)

demo-learning: $(VENV)/ready ## Watch models being trained, promoted, failing and replaced on a demo market; writes a page
	@$(BIN)/lockstep demo-learning $(ARGS)

test: $(VENV)/ready-dev ## Run everything that checks the product, on up to four cores (JOBS=0: on one)
	@$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(VENV)/ready-dev ## Style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/ready-dev ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/ready-dev ## Measure what README states, on both logs
	@$(BIN)/python -m bench $(ARGS)

migrate: $(VENV)/ready ## Bring the database up to date
	@$(BIN)/lockstep migrate up

up: ## Start Redpanda, PostgreSQL, RabbitMQ and the app in containers (compose.yaml)
	@docker compose version >/dev/null 2>&1 || { echo "No Docker Compose here. Without containers: $(BIN)/lockstep up [--broker kafka]"; exit 3; }
	@docker compose up --detach --wait $(ARGS)

down: ## Stop the containers; data stay in their volumes
	@docker compose down $(ARGS)

requirements: $(VENV)/ready-dev ## Which test shows which requirement, after `make test`
	@$(BIN)/lockstep requirements

schemas: $(VENV)/ready ## Write JSON Schema and AsyncAPI of every topic to docs/schemas
	@$(BIN)/lockstep schemas

clean: ## Remove the virtual environment and all local data
	@rm -rf $(VENV) .lockstep
