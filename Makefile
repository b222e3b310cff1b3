# make demo     a sample clip through the main job; the films and report.json lie in demo/ afterwards
# make test     every check and every test; they talk to real peers, see make peers
# make lint     the checks alone
# make peers    on Debian, as root: installs what the tests talk to (Chromium, GStreamer's RTSP server, Prometheus)
# make bench-live   measures a live stream from camera to browser; ARGS="--viewers 1 2 4 --seconds 30", or ARGS=--help
# make python   the interpreter that .venv is made with, or what to do where there is none
# make clean    what the others made, except .venv; make distclean takes that too
#
# PYTHON=... names the interpreter. pip's own settings (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, ...) hold for
# the install; on Linux the default index brings torch with CUDA, 2 GB that a machine without such a card can spare: name
# an index with the CPU build in PIP_EXTRA_INDEX_URL to get that.

.DEFAULT_GOAL := help
.PHONY: help python setup demo test lint peers peers-there bench-live clean distclean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
EXTRAS :=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

help:
	@sed -n '/^# make/s/^# //p' $(MAKEFILE_LIST)

setup: $(STAMP)

python:
	@for python in $(CANDIDATES); do \
	    if $$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then echo $$python; exit; fi; \
	done; \
	echo "Facelane needs Python 3.11 or newer with venv; none of these is: $(CANDIDATES)." \
	    "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1

$(BIN)/python:
	@python=$$($(MAKE) --silent --no-print-directory python) || exit; \
	    echo "Making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV)

# Whoever only wants to see a film needs nothing of what the tests do.
$(STAMP) $(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Facelane and what it needs into $(VENV); the first time takes some minutes"
	@$(BIN)/python -m pip install $$([ -t 1 ] || echo --quiet) --disable-pip-version-check \
	    --constraint constraints.txt --editable '.$(EXTRAS)'
	@touch $@

$(DEV_STAMP): EXTRAS := [dev]

demo: $(STAMP)
	@$(BIN)/facelane demo demo

lint: $(DEV_STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: peers-there lint
	$(BIN)/pytest

# First, since it takes a moment and the rest minutes.
peers-there:
	@.ci/peers check

peers:
	@.ci/peers install

bench-live: $(DEV_STAMP) peers-there
	@$(BIN)/python -m tests.bench.live $(ARGS)

clean:
	rm -rf demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
