# One door for chores. Each verb is a line; anything with an `if` lives in xtask.
.DEFAULT_GOAL := help
.PHONY: help up test check soak bench ui dist install audit show tools
ARGS ?=

help: ## List the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

up: tools ## Build everything and watch this machine: http://127.0.0.1:9090 (ARGS="--listen … --data …")
	@cargo xtask up $(ARGS)

test: tools ## All tests: Rust, UI, end to end, browser
	@cargo xtask test

check: tools ## Format, lints, unit tests: minutes
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace --exclude wf-e2e

soak: tools ## The long forms of the tests
	@cargo xtask soak

bench: tools ## Measure: make bench NAME=… (names without it; ARGS="--series 200000"; docs/benchmarks.md)
	@cargo xtask bench $(NAME) $(ARGS)

ui: tools ## Build the web UI alone
	@cargo xtask ui

dist: tools ## The binary as shipped: target/dist/watchfire
	@cargo xtask dist

install: tools ## Install it, links under the originals' names and a service (PREFIX=/usr/local DESTDIR=)
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" cargo xtask install

audit: tools ## Licences, bans and advisories by cargo-deny (needs the network)
	cargo deny check

show: tools ## Rerun an issue's evidence: make show NAME=up
	@cargo xtask show $(NAME)

tools:
	@command -v cargo >/dev/null || { echo "cargo is missing. Install Rust 1.90 or later: apt-get install rustup && rustup default stable (or see https://rustup.rs)"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing. Install one: apt-get install build-essential"; exit 1; }
	@command -v npm >/dev/null || echo "Node is missing: the web UI will not be built. Install it: apt-get install nodejs npm (20.19 or later)"
