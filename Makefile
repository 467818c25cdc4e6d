# Every target installs what it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What others' queues need is kept apart from ours, and only the benchmark of the core installs it.
PEERS := .venv-bench
PEERS_STAMP := $(PEERS)/fast/.installed
PEERS_SLOW_STAMP := $(PEERS)/slow/.installed
export UV_NO_PROGRESS ?= 1
# Some images switch this off, and then each of a run's many processes compiles every module anew.
export PYTHONDONTWRITEBYTECODE :=
# Node trusts only its own list of authorities; a machine's owner may have added one.
export NODE_EXTRA_CA_CERTS ?= $(wildcard /etc/ssl/certs/ca-certificates.crt)

WEB := src/pullyard/coordinator/static/index.html

.PHONY: web web-if-possible demo up test attacks check check-web bench simulate soak lock pictures clean system system-for-tests

demo: $(STAMP) system web-if-possible
	@$(BIN)/pullyard demo $(ARGS)

up: $(STAMP) system web-if-possible
	@$(BIN)/pullyard up $(ARGS)

test: $(STAMP) system-for-tests web-if-possible
	@[ ! -d web/node_modules ] || npm --prefix web run --silent test
	@$(BIN)/python -m pytest -n auto --dist worksteal --once-more $(ARGS)

# The tests of the attack catalogue alone, and a table of what held in which sandbox.
attacks: $(STAMP) system-for-tests
	@$(BIN)/python -m pytest --attacks -n auto --dist worksteal $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check src tests bench simulation
	@$(BIN)/ruff format --check src tests bench simulation
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pyrefly check
	@$(BIN)/deptry src
	@$(BIN)/vulture
	@$(BIN)/python scripts/file_lengths.py
	@[ ! -d web/node_modules ] || $(MAKE) --no-print-directory check-web

check-web: web/node_modules/.package-lock.json
	@npm --prefix web run --silent check

# A lock that has changed since brings packages that the code needs by now.
web/node_modules/.package-lock.json: web/package-lock.json
	@npm --prefix web ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@

bench: $(STAMP) system $(if $(filter core,$(NAME)),$(PEERS_STAMP)) \
    $(if $(findstring --slow,$(ARGS)),$(PEERS_SLOW_STAMP))
	@$(BIN)/python -m bench $(NAME) $(ARGS)

# HISTORIES=n SEED=s, and WITHOUT=guard to see a guard missed.
simulate: $(STAMP)
	@$(BIN)/python -m simulation --histories $(or $(HISTORIES),1000) --seed $(or $(SEED),1) $(if $(WITHOUT),--without $(WITHOUT))

# TASKS=n, and MINUTES=m to make no more of them after so long.
soak: $(STAMP) system
	@$(BIN)/python -m simulation.soak --tasks $(or $(TASKS),1000) $(if $(MINUTES),--minutes $(MINUTES))

lock: $(STAMP)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --extra server --extra agents --extra otel --group test --group check --custom-compile-command "make lock" \
	    pyproject.toml -o requirements.lock
	@for name in peers peers-slow; do \
	    $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --custom-compile-command "make lock" bench/$$name.in -o bench/$$name.lock; done

web: $(WEB)
	@:

# Of every page of the web interface, into docs/pictures.
pictures: $(STAMP) $(WEB) system-for-tests
	@$(BIN)/python -m tests.pictures

# Everything but the pages works without Node, so a missing one stops nobody.
web-if-possible:
	@$(MAKE) --no-print-directory web || echo "Going on without the web interface."

$(WEB): web/package-lock.json web/index.html web/vite.config.ts $(shell find web/src web/public -type f)
	@scripts/web-build

# Bubblewrap is the sandbox; without it tasks can't run.
system:
	@scripts/system-packages run

system-for-tests:
	@scripts/system-packages test

$(STAMP): requirements.lock pyproject.toml
	@scripts/install "$(PYTHON)" "$(VENV)"
	@touch $@

$(PEERS_STAMP): bench/peers.lock | $(STAMP)
	@scripts/install-peers "$(BIN)/uv" "$(PEERS)/fast" bench/peers.lock

$(PEERS_SLOW_STAMP): bench/peers-slow.lock | $(STAMP)
	@scripts/install-peers "$(BIN)/uv" "$(PEERS)/slow" bench/peers-slow.lock

clean:
	rm -rf $(VENV) $(PEERS) bench/results
