# `make repro` makes the list from the demo exports; `make test` tests the project.
# Both need git, make and python3, and install the rest into .venv.

.DEFAULT_GOAL := help
.PHONY: help repro test test-all check bench dvc.yaml pictures reference

VENV := $(CURDIR)/.venv
export UV_PROJECT_ENVIRONMENT := $(VENV)
export PATH := $(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

# Images set this, and then every process compiles every library it imports anew: seconds
# for each stage, and for each test that starts a program.
unexport PYTHONDONTWRITEBYTECODE

# The locked versions and nothing newer; what another target installed stays.
SYNC := tools/uv sync --frozen --inexact --quiet

# Two at a time, the tests of a file in one process: they share what they set up.
PYTEST := pytest --numprocesses=2 --dist=loadfile

help: ## List the targets
	@sed -n 's/^\([a-z.-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

repro: ## Run the whole pipeline on the demo exports
	$(SYNC)
	dvc repro
	@echo "The list: reports/prospects.html. How good it is: reports/model.html."

test: ## Run the fast tests
	$(SYNC) --group test
	$(PYTEST) -m "not slow"

test-all: ## Run every test, the slow ones too
	$(SYNC) --group test --extra postgres --extra spark
	$(PYTEST)

check: ## Run what CI runs: format, lint, types, imports, every test
	$(SYNC) --group dev --extra postgres --extra spark
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	$(MAKE) test-all

bench: ## Measure speed and memory on up to 20 M events (20 minutes, 10 GB of disk)
	$(SYNC) --group bench --extra spark
	python benchmarks/speed.py --json benchmarks/results/speed.json
	python benchmarks/scoring.py --json benchmarks/results/scoring.json
	python benchmarks/growth.py --json benchmarks/results/growth.json
	python benchmarks/spark.py --json benchmarks/results/spark.json

pictures: ## Make the pictures of README and guides, after `make repro`; needs Chromium
	$(SYNC) --group dev
	python tools/pictures.py

dvc.yaml: ## Generate dvc.yaml from the table of the pipeline and the imports of its stages
	$(SYNC) --group test
	python tools/dvc_yaml.py --write

reference: ## Generate docs/reference.md from the settings and the tables
	$(SYNC)
	python tools/reference.py --write
