#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks; with `demo` only what the demo needs. Quiet when nothing is missing.
#
# Mover runs its own Postgres and Redis from these packages; the services that they may set up are not used.
set -euo pipefail

what="${1:-tests}"

have() { command -v "$1" >/dev/null 2>&1; }

# Distributions keep the server's programs outside of PATH, one directory for each version.
have_postgres() {
    have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ||
        compgen -G '/usr/pgsql-*/bin/postgres' >/dev/null
}
have_redis() {
    local PATH="$PATH:/usr/sbin:/usr/local/sbin"
    have redis-server || have valkey-server
}

have_pgbouncer() {
    local PATH="$PATH:/usr/sbin:/usr/local/sbin"
    have pgbouncer
}

have_chromium() { have chromium || have chromium-browser || have google-chrome; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        echo "setup: missing ${packages[*]}; install them as root: apt-get install ${packages[*]}" >&2
        exit 1
    fi
}

packages=()
have_postgres || packages+=(postgresql)
have_redis || packages+=(redis-server)
if [ "$what" != demo ]; then
    # Tests see that Mover refuses to work behind it.
    have_pgbouncer || packages+=(pgbouncer)
    # The page that Mover serves is tested in it.
    have_chromium || packages+=(chromium)
fi
have cc || packages+=(gcc libc6-dev)

if [ ${#packages[@]} -gt 0 ]; then
    if ! have apt-get; then
        echo "setup: please install these packages, or what they are called here: ${packages[*]}" >&2
        exit 1
    fi
    echo "setup: installing ${packages[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}"
fi

if ! have cargo; then
    echo "setup: Rust is missing: see https://rustup.rs" >&2
    exit 1
fi
if [ "$what" != demo ]; then
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/#fmt/rustfmt}"
    done
fi
