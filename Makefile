# Every target sets up what it needs, so each works as the first command in a fresh clone.

CARGO ?= cargo
.DEFAULT_GOAL := help
.PHONY: help setup setup-demo test lint docs demo dist bench model mutants versions chaos

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Postgres, Redis, Chromium, a linker, rustfmt and clippy
	@scripts/setup.sh

setup-demo:
	@scripts/setup.sh demo

test: lint docs ## Everything that must hold: lint, docs, and all tests on real servers
	scripts/test.sh
	scripts/versions.sh some

lint: setup ## Formatting, and clippy with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

docs: setup ## The API documentation, with warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

demo: setup-demo ## A few hundred orgs move between two real Postgres while clients write
	$(CARGO) build --release --bin mover
	$${CARGO_TARGET_DIR:-target}/release/mover demo

dist: setup-demo ## The stripped program, and beside it its debug information, which backtraces and debuggers find there
	$(CARGO) build --profile dist --bin mover
	cd $${CARGO_TARGET_DIR:-target}/dist && objcopy --only-keep-debug mover mover.debug && objcopy --strip-debug --add-gnu-debuglink=mover.debug mover

bench: setup ## Whole campaigns against what the same server can do, what the guard costs writers, and what those cost who look; docs/benchmarks.md
	$(CARGO) bench --bench guard
	$(CARGO) bench --bench campaign
	$(CARGO) bench --bench serve

model: setup ## Every state that the cutover protocol can reach, and what happens without each measure; docs/model.md
	$(CARGO) run --release -p mover-model

mutants: setup ## Each safety measure taken away from the product, and whether a test notices; ONLY=name for one; docs/mutants.md
	$(CARGO) run -p mover-mutants -- $(ONLY)

versions: setup ## All tests of guard, live moves and engine between each two of PostgreSQL 14 to 18, and a chaos trial each; hours
	scripts/versions.sh all

chaos: setup ## All crash tests with each org alone; then Mover is killed 1,000 times while orgs move and clients write, then every row is counted; docs/chaos.md
	$(CARGO) build --release -p mover -p mover-chaos --bins
	MOVER_TEST_ONE_BY_ONE=1 $(CARGO) test -p mover --test crash
	$${CARGO_TARGET_DIR:-target}/release/mover-chaos
