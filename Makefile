# Everything that a developer types. `make` alone lists it.

.DEFAULT_GOAL := help

# `make test PYTHON=python3.13` has a venv of its own, .venv-3.13; without PYTHON there is .venv.
version := import sys; print("%d.%d" % sys.version_info[:2])
export VENV := $(if $(PYTHON),.venv-$(shell $(PYTHON) -c '$(version)' 2>/dev/null),.venv)

.PHONY: help run test check page pictures bench soak fuzz clean lock venv

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

run: venv ## bring up all of Sonnette on 127.0.0.1, with a Postgres of its own
	@exec $(VENV)/bin/sonnette run

test: venv ## run every test, skip and list what this machine lacks (TIERS=unit: only that tier)
	@sh tools/test.sh

check: venv ## lint, format, types, imports, SQL, links; writes nothing into the tree
	@sh tools/check.sh

soak: venv ## break everything at once, by seeds (SEEDS=30; SEED=n: one of them again, with its timeline)
ifdef SEED
	@$(VENV)/bin/python -m tests.chaos --seed $(SEED)
else
	@$(VENV)/bin/python -m tests.chaos --seeds $(or $(SEEDS),10)
	@FROZEN_S=60 AWAY_S=30 $(VENV)/bin/python -m pytest -q tests/chaos -k 'fault_02 or fault_17'
endif

fuzz: venv ## send garbage to gateway and service for 10 minutes (SEED=n: that of another run)
	@FUZZ_S=$${FUZZ_S:-600} SEED='$(SEED)' $(VENV)/bin/python -m pytest -q tests/fuzz

pictures: venv ## take docs/images anew (needs Chromium, and web/node_modules)
	@PICTURES=docs/images $(VENV)/bin/python -m pytest -q tests/browser/test_pictures.py

bench: venv ## measure delays, throughput, memory, crashes (about 13 minutes; ARGS=--quick: 3)
	@$(VENV)/bin/python -m bench $(ARGS)

page: ## build service/static from web/ (needs Node 20; using Sonnette needs none)
	@cd web && npm ci --no-audit --no-fund && npm run build

clean: ## remove what make made
	rm -rf .venv .venv-* sonnette.egg-info build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -rf .import_linter_cache .grimp_cache tests/interop/node/node_modules web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: venv ## write requirements.lock anew from pyproject.toml (ARGS=--upgrade: newest of all)
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(VENV)/bin/python -m venv "$$tools" && \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv && \
	"$$tools/bin/uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-header --extra test --extra check --extra build $(ARGS) \
		--output-file requirements.lock pyproject.toml

venv:
	@PYTHON='$(PYTHON)' sh tools/venv.sh
