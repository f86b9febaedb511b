# Two commands do everything on a machine with Python 3.11 and make:
#   make demo    the quickstart scenario, with a report to look at
#   make test    the test suite

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROWSER := $(VENV)/.browser

.DEFAULT_GOAL := help
.PHONY: help install demo test test-llm check lint types format clean

help:
	@sed -n 's/^#: //p' Makefile

#: make install   create .venv and install Audition and its tools in it
install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Audition needs Python 3.11 or newer; say: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

#: make demo      run the quickstart scenario and say where its report is
demo: $(STAMP)
	$(BIN)/audition run quickstart

#: make test      run the tests (those on real data only where AUDITION_DATA is set)
test: $(STAMP) $(BROWSER)
	$(BIN)/python -m pytest -n 2 --dist worksteal

# A browser for tests/browser: one that is there, else Playwright's, else they are skipped.
$(BROWSER): $(STAMP)
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	    timeout 180 $(BIN)/python -m playwright install chromium || \
	    echo "no browser could be had: the tests in a browser will be skipped"
	@touch $(BROWSER)

#: make test-llm  a tiny language model plays the agents (docs/tiny-llm.md)
test-llm: $(STAMP)
	PYTHON=$(BIN)/python benchmarks/llm_env.sh
	AUDITION_LLM_PYTHON=.llm-venv/bin/python $(BIN)/python -m pytest -m llm tests/llm

#: make check     lint, formatting, types, import direction and tests
check: lint types test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/test_imports.py

types: $(STAMP)
	$(BIN)/mypy

#: make format    mend what ruff can mend
format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

#: make clean     remove the environment and all caches (never runs/)
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
