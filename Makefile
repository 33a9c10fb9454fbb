# Each target does what it needs first; Python 3.11+ with its venv module, make and git are enough.
PYTHON ?= python3
JOBS ?= auto
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.synced
# Images set it; every process of the demo and of the tests would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check chaos bench bench-check gatebench guards accuracy format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     the main job on an embedded Postgres (make demo ARGS='--headless')"
	@echo "make test     all tests (make test ARGS='-k gate')"
	@echo "make check    ruff, mypy strict, import contracts"
	@echo "make chaos    every fault, many times over (make chaos ARGS='--rounds 3 --seed 7')"
	@echo "make bench    this version beside its rivals, in 15 minutes (make bench ARGS='--quick')"
	@echo "make bench-check  whether a ratio of the bench fell, and which"
	@echo "make gatebench  the known ways past an approval gate, tried on this one and on others"
	@echo "make guards   each guard deleted in turn, and whether a test notices (make guards ARGS='--only journal')"
	@echo "make accuracy  what the classifiers let run and what they hold, on labelled corpora"
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

# On a machine without Chromium, root gets it from Debian; else the browser tests are left out, aloud,
# and CI fails. Clusters of tests live in memory where there is room: their syncs are most of the time.
# Tests are handed out one at a time and in order (loadgroup, without groups): the long ones come first.
test: setup
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
		echo "NO CHROMIUM: the browser tests are left out. On Debian: apt-get install chromium" >&2
	@marks=; command -v chromium >/dev/null || { [ -z "$$CI" ] || exit 1; marks='not browser'; }; \
	room=$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }'); \
	if [ -w /dev/shm ] && [ "$${room:-0}" -gt 4000000 ]; then export TMPDIR=$${TMPDIR:-/dev/shm}; fi; \
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m "$$marks" $(ARGS)

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# its clusters live in memory where there is room, as those of the tests
chaos: setup
	@if [ -w /dev/shm ]; then export TMPDIR=$${TMPDIR:-/dev/shm}; fi; \
	$(BIN)/python tests/chaos/run.py $(ARGS)

bench: setup
	@$(BIN)/interlock bench $(ARGS)

# ratios alone: times differ from machine to machine
bench-check: setup
	@$(BIN)/interlock bench --only loops --only queue --check engine/bench/baseline.json $(ARGS)

# A contender whose licence or dependencies are not for this environment has one of its own; where it
# cannot be installed, it is left out, aloud.
gatebench: setup
	@$(UV) venv -q --allow-existing --python $(BIN)/python .gatebench/holdpoint && \
		$(UV) pip install -q --python .gatebench/holdpoint/bin/python \
		-r tests/gatebench/systems/holdpoint.txt || rm -rf .gatebench/holdpoint
	@PYTHONPATH=tests $(BIN)/python -m gatebench \
		--python holdpoint=.gatebench/holdpoint/bin/python $(ARGS)

# its clusters live in memory where there is room, as those of the tests
guards: setup
	@if [ -w /dev/shm ]; then export TMPDIR=$${TMPDIR:-/dev/shm}; fi; \
	PYTHONPATH=tests $(BIN)/python -m guards $(ARGS)

accuracy: setup
	@PYTHONPATH=tests $(BIN)/python -m accuracy

format: setup
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

lock: $(UV)
	@$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev pyproject.toml -o requirements.lock $(ARGS)

clean:
	rm -rf $(VENV) .gatebench .dev .mypy_cache .ruff_cache build dist *.egg-info
