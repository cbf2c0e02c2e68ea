# The two commands of the README. Everything is installed into .venv, nothing outside this folder.
PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
# A machine without a GPU needs only the CPU build; GPU users install a CUDA build of the same range first.
TORCH ?= torch==2.13.0

.PHONY: demo test tests quick lint notebooks site clean
demo: $(READY)
	$(VENV)/bin/archdial demo --out runs/demo

# The tests start hundreds of processes: let them reuse compiled imports, whatever the environment says.
tests quick: export PYTHONDONTWRITEBYTECODE =

# In parallel: all have to pass.
test: $(READY)
	$(MAKE) --no-print-directory --jobs 2 lint tests site

tests: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal

# Fast tests of every package, for use while working; `test` is what counts.
quick: $(READY)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Their outputs are part of the files. For one: examples/notebooks/execute.py NAME.
notebooks: $(READY)
	$(VENV)/bin/python examples/notebooks/execute.py

# The documentation, in site/. A dead link is an error, but only where warnings are shown: --quiet would hide both.
site: export NO_MKDOCS_2_WARNING = 1
site: $(READY)
	$(VENV)/bin/mkdocs build --strict

# Not compiled beforehand: little of these gigabytes of Python is ever imported.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-compile "$(TORCH)"
	$(VENV)/bin/python -m pip install --quiet --no-compile --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs site
