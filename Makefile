# The two commands of the README. Everything is installed into .venv, nothing outside this folder.
PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
# A machine without a GPU needs only the CPU build; GPU users install a CUDA build of the same range first.
TORCH ?= torch==2.13.0

.PHONY: demo test tests quick lint clean
demo: $(READY)
	$(VENV)/bin/archdial demo --out runs/demo

# Hundreds of processes start in the tests: they compile what they import once, whatever the environment says.
tests quick: export PYTHONDONTWRITEBYTECODE =

# Beside each other: both have to pass.
test: $(READY)
	$(MAKE) --no-print-directory --jobs 2 lint tests

tests: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal

# Of every room what takes next to no time, for while one works; `test` is what counts.
quick: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Not compiled beforehand: of gigabytes of Python little is ever imported.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-compile "$(TORCH)"
	$(VENV)/bin/python -m pip install --quiet --no-compile --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs
