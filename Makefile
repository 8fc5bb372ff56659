# `make` says what there is. Every target makes the .venv that it needs; later runs find it there.
# Tests mostly wait for other processes, so three run at a time; ARGS="-n 0" runs them one by one.
# Another Python: make PYTHON=python3.12 test. One folder's tests: make test ARGS=tests/model.

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench servers clients clean

help:
	@echo "make demo     start an agent, three services and a gateway, and try to break them (Ctrl-C ends it)"
	@echo "make test     run the tests (ARGS=... goes to pytest)"
	@echo "make lint     ruff, mypy, pyright, import-linter"
	@echo "make bench    measure; prints ratios against bare gRPC and a real Consul"
	@echo "make servers  fetch the real servers that tests use, into .servers (Debian)"
	@echo "make clients  fetch the clients of Consul that tests use, into .servers"
	@echo "make clean    remove what these made, .venv included"

# Two stamps, so that the demo does not wait for tools that only tests and linters need.
$(VENV)/.runs: pyproject.toml scripts/venv
	@scripts/venv $(VENV)
	@touch $@

$(VENV)/.dev: $(VENV)/.runs
	@scripts/venv $(VENV) dev
	@touch $@

demo: $(VENV)/.runs
	@$(BIN)/muster demo $(ARGS)
	@echo "make demo: done"

test: $(VENV)/.dev
	@echo "running the tests"
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal $(ARGS)
	@echo "make test: passed"

lint: $(VENV)/.dev
	@scripts/lint $(BIN)
	@echo "make lint: passed"

bench: $(VENV)/.dev servers
	@$(BIN)/python -m bench $(ARGS)
	@echo "make bench: done"

servers:
	@scripts/servers

clients: $(VENV)/.runs
	@scripts/clients $(BIN)/python

clean:
	rm -rf $(VENV) .servers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "make clean: done"
