# What is needed: Linux, make, cc and Python 3.11+ with pip. `make help` lists the commands.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ifeq ($(strip $(PYTHON)),)
$(error xir needs Python 3.11 or newer; none of python3, python3.13, python3.12, python3.11 is: make PYTHON=/path/to/python)
endif

WORKERS ?= 2
DEV := .venv/bin
DEMO := .venv-demo/bin
COVERED := frontends passes ops
CHECKS := check-pyright check-mypy check-floors check-sizes check-safety check-style
export XIR_CORPUS_CACHE ?= $(HOME)/.cache/xir-corpus
# One thread a test worker: the workers share the processor. Modules stay compiled: tests start many processes.
TEST_SETTINGS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

.PHONY: help demo test checks pytest models bench nightly matrix applications environment clean $(CHECKS)
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: ## install xir afresh, convert a real Caffe model to ONNX, verify it, run it
	@$(PYTHON) tools/environment.py .venv-demo --extras ort,image
	@$(PYTHON) tools/fetch_models.py
	@$(DEMO)/python examples/open_nsfw.py

test: checks pytest ## every check and every test, in an environment of their own

environment: # the development environment, made again when pyproject.toml changes
	@$(PYTHON) tools/environment.py .venv --extras dev --editable

checks: environment ## only the static checks: style, types, floors, security, sizes
	@$(MAKE) --no-print-directory --jobs=$(WORKERS) --output-sync=target $(CHECKS)

# Side by side, the longest first.
check-pyright:
	@$(DEV)/basedpyright --pythonpath $(DEV)/python --warnings
check-mypy:
	@$(DEV)/mypy --no-error-summary
check-floors:
	@$(DEV)/lint-imports --no-cache --no-logo
check-sizes:
	@$(DEV)/python tools/size_report.py
check-safety:
	@$(DEV)/python tools/security_lint.py xir cli/xir_cli conformance/xir_conformance
check-style:
	@$(DEV)/ruff check --quiet .
	@$(DEV)/ruff format --quiet --check .

pytest: environment # the tests with branch coverage, then the gate for each room that is named in COVERED
	@$(PYTHON) tools/fetch_models.py --optional --all
	@$(PYTHON) tools/real_caffe.py .venv-caffe
	@$(DEV)/coverage erase
	@$(TEST_SETTINGS) XIR_CAFFE_PYTHON="$${XIR_CAFFE_PYTHON:-$$(ls -d $$PWD/.venv-caffe/bin/python 2>/dev/null)}" $(DEV)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=
	@for room in $(COVERED); do \
		printf 'branch coverage of xir/%s (at least 95): ' $$room; \
		$(DEV)/coverage report --include="xir/$$room/*" --fail-under=95 --precision=1 --format=total || { \
			$(DEV)/coverage report --include="xir/$$room/*"; exit 1; }; \
	done

models: ## fetch the published models that the demo and the tests use
	@$(PYTHON) tools/fetch_models.py --all

bench: models ## ratios against other tools, on this machine; BENCH=compiled for some of them
	@$(PYTHON) tools/environment.py .venv-bench --extras dev,bench --editable
	@.venv-bench/bin/python benchmarks/run.py $(BENCH)

nightly: environment models ## the long tests
	@$(TEST_SETTINGS) HYPOTHESIS_PROFILE=nightly $(DEV)/python -m pytest -q -n $(WORKERS) --dist worksteal -m nightly

matrix: ## networks of PyTorch's libraries in every way in and out, hours; MATRIX="--only resnet --ways pt2" for some
	@$(PYTHON) tools/environment.py .venv-torch --extras dev,matrix --editable
	@$(TEST_SETTINGS) .venv-torch/bin/python -m tests.frontends.torch.networks $(MATRIX)

applications: environment ## networks of keras.applications in and out, hours; NETWORKS="VGG16 Xception" for some
	@$(PYTHON) -m venv .venv-keras && .venv-keras/bin/python -m pip install -q \
		ai-edge-litert==2.3.0 keras==3.15.1 tensorflow-cpu==2.21.0 tf2onnx==1.17.0
	@$(TEST_SETTINGS) $(DEV)/python -m tests.frontends.keras.applications --keras .venv-keras/bin/python \
		--table docs/keras_networks.md $(NETWORKS)

clean: ## remove the environments and what the checks left
	@rm -rf .venv .venv-bench .venv-demo .venv-caffe .venv-keras .venv-torch build dist out .coverage .coverage.* htmlcov *.egg-info \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find xir cli conformance tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
