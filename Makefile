# Everything a clone needs: Python 3.10 or newer, make and a package index.
# `make demo` shows the product, `make test` proves it, `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter that can make a virtual environment: of a version that is tested (every pin is a wheel there),
# else of any that is new enough.
PYTHON ?= $(shell for newest in 14 99; do for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c "import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, $$newest))" >/dev/null 2>&1 \
	&& { echo "$$p"; exit; }; done; done)

VENV := .venv
PY := $(VENV)/bin/python
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/streamapp
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

# An extra is installed once and again when what it asks for changes; extras add up in the one environment.
# The constraints bind the build environments too (the name of that setting changed with pip 25.3).
install = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(PY) -m pip install --quiet --constraint constraints.txt

.PHONY: help demo demo-rollback test check format test-kafka test-faults test-faults-long test-torch bench bench-statistics clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.demo ## Watch real flights being scored; DEMO_ARGS are passed on.
	$(VENV)/bin/streamapp demo $(DEMO_ARGS)

demo-rollback: $(VENV)/.demo ## Watch a sabotaged version being rolled out, and taken back by itself.
	$(VENV)/bin/streamapp demo --rollback $(DEMO_ARGS)

test: $(VENV)/.test ## Run the portable test suite; TEST_ARGS are passed on.
	$(PY) -m pytest -m "not kafka and not torch and not faults" -n 2 --dist worksteal $(TEST_ARGS)

check: $(VENV)/.dev ## Format, lint, types and import contracts, without changing anything.
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.dev ## Format, and fix what the linter can fix.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

test-kafka: $(VENV)/.test ## Run the integration tests against real Apache Kafka (Java and Maven needed).
	$(PY) -m pytest -m "kafka and not faults" -n 2 --dist loadgroup $(TEST_ARGS)

test-faults: $(VENV)/.test ## Break everything once on real Apache Kafka; figures in build/faults/short.md.
	rm -f build/faults/short.*
	$(PY) -m pytest tests/faults -m faults -n 2 --dist loadfile $(TEST_ARGS)

test-faults-long: $(VENV)/.test ## The same at full size, FAULTS_RUNS times (5); FAULTS_SEED=n repeats a run.
	rm -f build/faults/long.*
	FAULTS_SIZE=long $(PY) -m pytest tests/faults -m faults -n 2 --dist loadfile -rA $(TEST_ARGS)

test-torch: $(VENV)/.test $(VENV)/.torch ## Run the torch tests; torch goes into a per-user cache, several GB, once.
	PYTHONPATH="$$(cat $(VENV)/.torch)" $(PY) -m pytest -m torch $(TEST_ARGS)

bench: $(VENV)/.bench ## Measure every figure the README quotes; BENCH_ARGS="--quick" for a glance.
	$(PY) -m benchmarks $(BENCH_ARGS)

bench-statistics: $(VENV)/.bench ## Simulate what experiments promise: false alarms, coverage, power.
	$(PY) -m benchmarks.statistics $(BENCH_ARGS)

clean: ## Remove the environment and everything that was generated.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo

$(VENV)/.created:
	@[ -n "$(PYTHON)" ] || { echo "streamapp needs Python 3.10 or newer with the venv module" \
		"(on Debian and Ubuntu: apt-get install python3-venv); name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "streamapp needs Python 3.10 or newer; $(PYTHON) is older" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "creating $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing streamapp[$*] at pinned versions"
	@$(install) --editable '.[$*]'
	@touch $@

# torch stays out of $(VENV), so that every other target proves that nothing needs it.
$(VENV)/.torch: $(VENV)/.created constraints.txt
	@tag=$$($(PY) -c 'import hashlib, pathlib, sys; text = pathlib.Path("constraints.txt").read_bytes(); \
		print(f"torch-py{sys.version_info[0]}.{sys.version_info[1]}-{hashlib.sha256(text).hexdigest()[:12]}")'); \
	folder="$(CACHE)/$$tag"; \
	if [ ! -e "$$folder" ]; then \
		echo "installing torch into $$folder"; rm -rf "$$folder.part"; \
		$(install) --no-cache-dir --target "$$folder.part" torch; mv "$$folder.part" "$$folder"; \
	fi; \
	echo "$$folder" > $@
