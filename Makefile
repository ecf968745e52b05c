# Every target makes the one .venv when it is missing, always with everything: extras `all` and `dev`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Nothing may be fetched at run time: libraries that would try are told so.
export HF_HUB_OFFLINE = 1
export TRANSFORMERS_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: help venv chat demo test lint format bench build docs clean

help:
	@echo "make chat     talk with an agent in the terminal"
	@echo "make demo     a scripted conversation: remember, ask, correct, undo, purge"
	@echo "make test     the tests (under ten minutes; no network, no GPU)"
	@echo "make lint     format, lint, types, import rules"
	@echo "make bench    what was measured, measured again (BENCH=recall ARGS='--data DIR')"
	@echo "make docs     build the documentation into site/"

venv: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	-$(BIN)/python -m agentmem.embed.export # the embedder's faster form, once; the slower one answers without it
	touch $(READY)

chat: $(READY)
	$(BIN)/agentmem chat $(ARGS)

demo: $(READY)
	$(BIN)/python examples/tour.py

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/agentmem bench $(BENCH) $(ARGS)

build: $(READY)
	$(BIN)/python -m build --wheel --no-isolation

docs: $(READY)
	$(BIN)/mkdocs build --strict

clean:
	rm -rf dist build site .mypy_cache .ruff_cache .pytest_cache
