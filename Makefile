# make train   installs into .venv and trains the built-in world on this machine's CPU
# make test    installs into .venv, checks format and types, runs the default tests
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PLANNING := .venv/planning
## Modules are compiled when first imported, into the virtual environment: half of an installation's time otherwise.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv train test test-slow test-plan lint lock clean
help:
	@sed -n 's/^# //p' Makefile

venv: $(STAMP)
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tpu-orch needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

train: venv
	$(BIN)/tpu-orch train sandbox

## The suite runs on CPU only: the device count is faked in tests/conftest.py. One preset is then compiled for four TPU chips,
## where the index has libtpu for this machine.
test: venv lint
	$(BIN)/python -m pytest -n 2
	-@$(MAKE) --no-print-directory $(PLANNING)/.installed
	PYTHONPATH=$(PLANNING) $(BIN)/python -m pytest -m 'slow or not slow' -k small_preset tests/tpu_orch/planning

# test-slow: the tests that take minutes each (long runs, kills at random moments, real data)
test-slow: venv
	$(BIN)/python -m pytest -m slow

# test-plan: plans compiled for TPU slices that are not there (fetches libtpu, 213 MB)
test-plan: $(PLANNING)/.installed
	PYTHONPATH=$(PLANNING) $(BIN)/python -m pytest -m 'slow or not slow' tests/tpu_orch/planning

## libtpu lies apart: where JAX can import it, every command asks it for chips before it falls back to the CPU.
$(PLANNING)/.installed: tpu_scripts/requirements.tpu.lock $(STAMP)
	sed -n '/^libtpu==/,/[^\\]$$/p' $< | $(BIN)/python -m pip install --quiet --no-deps --no-compile --require-hashes --upgrade \
	  --target $(PLANNING) -r /dev/stdin
	@touch $@

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# lock: resolve pyproject.toml anew into requirements.lock, and those of TPU and CUDA with the same versions (needs uv)
lock:
	uv pip compile pyproject.toml --extra test --extra fast --extra hf --extra mcp --extra data --extra beam --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements.lock
	for kind in tpu cuda; do sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\) .*/\1/p' requirements.lock | \
	  uv pip compile pyproject.toml --extra $$kind --extra fast --extra hf --constraint - --universal --fork-strategy fewest \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate -o tpu_scripts/requirements.$$kind.lock; done

clean:
	rm -rf .venv build dist *.egg-info
