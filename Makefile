# Everything that a developer types. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean lock venv

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

run: venv ## bring up all of Sonnette on 127.0.0.1, with a Postgres of its own
	@exec .venv/bin/sonnette run

test: venv ## run every test; what this machine lacks is skipped and listed
	@sh tools/test.sh

check: venv ## lint, format, types, imports, SQL, links; writes nothing into the tree
	@sh tools/check.sh

bench: venv ## measure commit to client, throughput and memory (about 6 minutes; ARGS=--quick: 1)
	@.venv/bin/python -m bench $(ARGS)

clean: ## remove what make made
	rm -rf .venv sonnette.egg-info build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -rf .import_linter_cache .grimp_cache tests/interop/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: venv ## write requirements.lock anew from pyproject.toml (ARGS=--upgrade: newest of all)
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && .venv/bin/python -m venv "$$tools" && \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv && \
	"$$tools/bin/uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url \
		--no-header --extra test --extra check --extra build $(ARGS) \
		--output-file requirements.lock pyproject.toml

venv:
	@PYTHON='$(PYTHON)' sh tools/venv.sh
