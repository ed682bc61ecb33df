# Every target sets up what it needs, on a fresh machine too, and does nothing that is done already.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# kubectl and kind of the test cluster, and uv.
export PATH := $(shell . tests/cluster/env.sh; printf %s "$$PATH")
# The folders that pytest puts on the path (pyproject.toml), for mypy.
export MYPYPATH := operator:tests:tests/unit/core:deploy/demo
# What uv.lock says, exactly.
export UV_FROZEN := 1

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

.PHONY: try
try: uv ## a first look, without a cluster: a good and a bad release, simulated
	@for errors in 0% 5%; do \
		command="sluice simulate examples/rollout.yaml --canary-errors $$errors"; \
		echo "\$$ kubectl $$command"; \
		uv run --quiet kubectl-$$command; \
		echo; \
	done

.PHONY: demo
demo: deploy ## the tour: a good release goes through, bad ones are rolled back, pods follow the load
	@uv run --quiet python deploy/demo/run.py

.PHONY: test
test: check e2e ## everything: check, then e2e

.PHONY: check
check: uv ## what needs no cluster: format, lint, types, layers, CRD, docs, unit tests
	@echo "[1/7] format" && uv run ruff format --check --quiet .
	@echo "[2/7] lint" && uv run ruff check --quiet .
	@echo "[3/7] types" && uv run mypy operator/sluice deploy/demo docs tests
	@echo "[4/7] layers" && uv run lint-imports
	@echo "[5/7] the CRD is what the models give" && uv run python -m sluice.api.crd --check
	@echo "[6/7] the docs are what the code says" && uv run python -m docs.generate --check
	@echo "[7/7] unit tests" && uv run pytest tests/unit --quiet --numprocesses auto

.PHONY: e2e
e2e: deploy ## the end-to-end tests, on the cluster; E2E="-k rollback" for some of them
	@uv run pytest tests/e2e --numprocesses 4 --dist worksteal $(E2E)

.PHONY: bench
bench: deploy ## what a release and a hundred Rollouts that scale cost; writes docs/benchmarks.md (10 minutes)
	@uv run --quiet python tests/bench.py

.PHONY: study
study: uv ## false rollbacks and times to detect, simulated; writes docs/study.md (minutes, no cluster)
	@uv run --quiet python tests/study.py

.PHONY: detection
detection: deploy ## how soon bad versions are found, on the cluster; writes docs/study.md (half an hour)
	@uv run --quiet python tests/detection.py

.PHONY: deploy
deploy: images ## the operator and Prometheus, of this working tree, in the cluster
	@tests/cluster/deploy.sh

.PHONY: images
images: cluster uv ## the images, built and loaded into the cluster's node
	@deploy/images/build.sh

.PHONY: cluster
cluster: ## a kind cluster, also where no image registry is reachable (then 15 minutes, once)
	@tests/cluster/up.sh

.PHONY: uv
uv:
	@tests/cluster/uv.sh

.PHONY: clean
clean: ## delete the cluster; what was compiled stays
	@tests/cluster/down.sh
