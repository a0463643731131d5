#!/usr/bin/env bash
# Unit, integration, simulation and crash tests. They start Postgres and Redis of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --no-fail-fast "$@"
    # nextest does not run the examples in the documentation.
    cargo test --workspace --doc
else
    cargo test --workspace "$@"
fi
