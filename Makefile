# Two commands matter: `make run` and `make test`. Everything is installed into .venv; nothing else is touched.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Settings of the calling shell that would reach into .venv.
unexport PYTHONPATH PYTHONHOME PYTHONOPTIMIZE PYTHONWARNINGS PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
PYTHON := $(BIN)/python
PORT ?= 8501

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: run
run: install ## Open the explorer in the browser (http://localhost:8501)
	@exec $(BIN)/streamlit run explorer/app.py --server.port $(PORT)

.PHONY: test
test: check chromium ## Check everything and run all tests
	@$(PYTHON) -m pytest -n 3 -q

.PHONY: check
check: install-dev ## Lint, formatting, types and the direction of imports
	@echo '== ruff' && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo '== mypy' && $(BIN)/mypy && $(BIN)/mypy pages/*.py
	@echo '== import-linter' && $(BIN)/lint-imports

.PHONY: screenshots
screenshots: install-dev chromium ## Take the README's pictures from the real application
	@$(PYTHON) docs/screenshots.py

.PHONY: clean
clean: ## Remove .venv, caches and build outputs
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist test-results *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Packages are installed again only when a requirements file has changed: the stamp holds their checksum.
define install_requirements
	@sum=$$(cat $(1) | cksum); stamp=.venv/.installed-$(2); \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$sum" ]; then \
		echo "Installing $(firstword $(1)) into .venv (the first time this takes a few minutes) ..."; \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $(firstword $(1)); \
		echo "$$sum" > $$stamp; \
	fi
endef

.PHONY: install install-dev
install: venv
	$(call install_requirements,requirements.txt,run)

install-dev: venv
	$(call install_requirements,requirements-dev.txt requirements.txt,dev)
	@cat requirements.txt | cksum > .venv/.installed-run  # they are among them

.PHONY: venv
venv:
	@if ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
		for candidate in python3.13 python3.12 python3.11 python3 python; do \
			if $$candidate -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
				echo "Creating .venv with $$($$candidate --version) ..."; \
				$$candidate -m venv --clear .venv; exit 0; \
			fi; \
		done; \
		echo 'No Python 3.11, 3.12 or 3.13 was found. Install one (for example from python.org or with conda) and try again.' >&2; \
		exit 1; \
	fi

.PHONY: chromium
chromium: install-dev
	@$(PYTHON) -m tests.e2e.chromium --install
