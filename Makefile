# Everything a fresh machine needs beside this file: Python 3.11 or newer, git and make.
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
COMPILE = $(UV) pip compile -q --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --annotation-style line
unexport VIRTUAL_ENV
# Without bytecode, each of the many processes that tests start compiles every module that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo run break chaos bench live test lint format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready ## a booking from API call to invitation, on a local stack; PROVIDER=daily for another provider
	@$(BIN)/python -m infra.local.demo

run: .venv/ready ## start the local stack and keep it running; Ctrl+C stops it and keeps its data, FRESH=1 starts over
	@exec $(BIN)/python -m infra.local.run

break: .venv/ready ## break something in the stack that runs; FAULT=provider-down, FAULT=repair, or none for the list
	@FAULT="$(FAULT)" $(BIN)/python -m infra.local.break_command

chaos: .venv/ready ## crash, lose, repeat and reorder every call; CHAOS="--seed 1" for another seed
	@$(BIN)/python -m tests.chaos $(CHAOS)

live: .venv/ready ## test with your own provider account, ten minutes; PROVIDER=zoom, see docs/providers.md
	@$(BIN)/python -m tests.live

bench: .venv/ready ## measure time and memory against floors and alternatives; see benchmarks/README.md
	@$(BIN)/python -m benchmarks $(BENCH)

test: .venv/ready ## run the tests; ALL=1 adds deployments, pictures and generated requests, as .ci/run does; THOROUGH=1 whole matrices
	@$(BIN)/pytest $(if $(ALL),,-m "not exhaustive") $(if $(THOROUGH),--hypothesis-profile=thorough)

lint: .venv/ready ## check style, types and templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint $(filter-out infra/indexes.yaml,$(wildcard infra/*.yaml))

format: .venv/ready ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: .venv/ready ## pin the dependencies that pyproject.toml names, with the hashes of their files
	@$(COMPILE) pyproject.toml -o requirements.txt
	@$(COMPILE) --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	@$(COMPILE) --group uv -o requirements-uv.txt

clean: ## remove the environment and everything that was built
	@rm -rf .venv .tools build vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/ready: requirements-dev.txt requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "meetlink needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@test -x "$(UV)" || { echo "Installing uv into .tools ..."; $(PYTHON) -m venv .tools && .tools/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt; }
	@echo "Installing into .venv ..."
	@$(UV) venv -q --clear --python $(PYTHON) .venv
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
