# Each target does what it needs first; Python 3.11+ with its venv module, make and git are enough.
PYTHON ?= python3
JOBS ?= auto
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.synced

.PHONY: help setup demo test check format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     the main job on an embedded Postgres (make demo ARGS='--headless')"
	@echo "make test     all tests (make test ARGS='-k gate')"
	@echo "make check    ruff, mypy strict, import contracts"
	@echo "make format   ruff's fixes and formatting"
	@echo "make setup    the environment alone; make lock renews requirements.lock"

setup: $(STAMP)

# uv installs itself first, as the lock file has it
$(UV):
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python has no working venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip --disable-pip-version-check -q install --require-hashes -r $(VENV)/uv.lock

# from the cache alone where that is possible, so that nothing waits for a network
$(STAMP): requirements.lock pyproject.toml | $(UV)
	@install() { \
		$(UV) pip sync $$1 -q --python $(BIN)/python --require-hashes requirements.lock && \
		$(UV) pip install $$1 -q --python $(BIN)/python --no-deps -e .; \
	}; install --offline 2>/dev/null || install
	@mkdir -p .dev && ln -sfn .. .dev/interlock
	@touch $@

demo: setup
	@$(BIN)/interlock demo $(ARGS)

test: setup
	@command -v chromium >/dev/null || \
		{ echo "The browser tests need Chromium. On Debian: apt-get install chromium" >&2; exit 1; }
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

lock: $(UV)
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev pyproject.toml -o requirements.lock $(ARGS)

clean:
	rm -rf $(VENV) .dev .mypy_cache .ruff_cache build dist *.egg-info
