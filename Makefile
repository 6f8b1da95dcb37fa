# Every target makes .venv by itself: with uv when it is there, otherwise with python3 -m venv and pip.
VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(if $(shell command -v uv),uv pip install --quiet --python $(PYTHON),$(PYTHON) -m pip install --quiet --disable-pip-version-check)
# Sets of versions (constraints/*.txt) name numpy 1.26, which is not built for Python 3.13.
SETS := lowest sagemaker-distribution-4
comma := ,
PYTHONS := >=3.11$(if $(PINS),$(comma)<3.13)
MAKE_VENV := $(if $(shell command -v uv),uv venv --quiet --python '$(PYTHONS)',$(if $(PINS),$(or $(shell command -v python3.12 python3.11 | head -1),python3),python3) -m venv)

PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo faults schema lab lint test test-all test-set fast smoke bench dist docs site pictures clients clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## sample calls through a batch job on this machine, to a report; no AWS account
	$(VENV)/bin/bbkit demo

faults: $(VENV)/.installed  ## the same with records that error, a missing line and cut-off answers, found and repaired
	$(VENV)/bin/bbkit demo --faults

schema: $(VENV)/.installed  ## the calls sorted into queues by a schema: typed columns, how many can be used, agreement
	$(VENV)/bin/bbkit demo --schema

lab: $(VENV)/.installed  ## JupyterLab on the notebooks, with a stand-in of the service beside it
	$(VENV)/bin/bbkit lab

lint: $(VENV)/.installed-dev  ## ruff and mypy, notebooks included
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: lint  ## lint and the tests that fit in ten minutes, on up to four cores
	$(PYTHON) -m pytest $(PARALLEL)

test-all: test  ## everything: the long kill, load and hostile-file tests too, the fast ones under every set of versions
	$(PYTHON) -m pytest -m long
	@set -e; for set in $(SETS); do $(MAKE) test-set SET=$$set; done

test-set:  ## the fast tests under a set of versions: SET=lowest, SET=sagemaker-distribution-4
	@$(MAKE) --no-print-directory fast VENV=.venv-$(SET) PINS=constraints/$(SET).txt

fast: $(VENV)/.installed-dev
	$(PYTHON) -m pytest $(PARALLEL)

smoke: $(VENV)/.installed-core
	$(PYTHON) tests/smoke.py

bench: $(VENV)/.installed-dev  ## the benchmarks, each against what a user would write otherwise
	@set -e; for script in tests/benchmarks/bench_*.py; do echo "== $$script"; $(PYTHON) $$script; done

dist: $(VENV)/.installed-dev  ## build what is published, check it, and try the wheel in new environments
	rm -rf dist
	$(PYTHON) -m build
	$(PYTHON) -m twine check --strict dist/*
	$(PYTHON) tests/try_wheel.py dist/*.whl

docs: $(VENV)/.installed-dev  ## write what the pages in docs/ show of the package anew
	BBKIT_WRITE_DOCS=1 $(PYTHON) -m pytest -q tests/test_architecture.py tests/test_docs.py tests/test_site.py

site: $(VENV)/.installed-docs  ## the documentation as pages that open offline: build/site/index.html
	rm -rf build/site build/doctrees
	$(PYTHON) -m sphinx -q -n -W --keep-going -d build/doctrees docs build/site
	@echo "build/site/index.html"

pictures: $(VENV)/.installed-dev  ## docs/pictures anew, from the demo's report and JupyterLab in Chromium
	$(PYTHON) -m pytest -q -p no:xdist tests/pictures.py

clients: $(VENV)/.installed-dev  ## run other people's clients, each in its own environment, and write docs/clients.md anew
	BBKIT_WRITE_DOCS=1 $(PYTHON) -m pytest -q -m "long or not long" tests/test_clients.py

clean:  ## remove .venv, caches and what the demo made; runs of your own stay
	rm -rf $(VENV) .venv-* build docs/reference dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf $(foreach name,demo demo-embeddings demo-faults demo-schema demo-schema-faults,runs/$(name) runs/$(name)-standin)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@echo "Making $(VENV)"
	@$(MAKE_VENV) $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing bbkit and what it needs into $(VENV)"
	@$(PIP) -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(PINS) | $(VENV)/bin/python
	@echo "Installing bbkit and its development tools into $(VENV)"
	@$(PIP) $(PINS:%=-c %) -e '.[dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-docs

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	@echo "Installing bbkit and what its documentation is made with into $(VENV)"
	@$(PIP) -e '.[docs]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-core: pyproject.toml $(PINS) | $(VENV)/bin/python
	@$(PIP) $(PINS:%=-c %) -e .
	@touch $@
