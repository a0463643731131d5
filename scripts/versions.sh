#!/usr/bin/env bash
# versions.sh [some|all]: the tests of guard, live moves and engine, and a short chaos trial, between different major versions of
# PostgreSQL. `some`: the oldest and the newest, both ways, with the tests that depend most on the version. `all`: every ordered
# pair and every test.
set -euo pipefail
cd "$(dirname "$0")/.."

# Version 14 has neither MERGE nor GRANT … ON PARAMETER, with which these tests begin.
without_14='test(upsert_merge_and_copy_are_logged) | test(rights_that_an_online_move_needs_are_told_for_both_stores)
    | test(a_schema_mover_that_was_created_by_another_user_stays) | test(a_plain_role_that_owns_the_tables_can_guard_them)'

case ${1:-some} in
some)
    majors=(14 18)
    tests='binary_id(mover::live) & (test(/^moving/) | test(/^way_back/) | test(/^finalizing/) | test(/^respelled/) | test(/^rounds/))
        | binary_id(mover::guard) & (test(/^partitions/) | test(/^installing/) | test(/^hostile/))
        | binary_id(mover::engine) & (test(/^newer/) | test(/^types/) | test(/^schema_changes/) | test(/^streamed/))'
    ;;
all)
    majors=(14 15 16 17 18)
    tests='binary_id(mover::live) | binary_id(mover::guard) | binary_id(mover::engine)'
    ;;
*)
    echo "usage: versions.sh [some|all]" >&2
    exit 2
    ;;
esac

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "versions: NOT tested between versions of PostgreSQL: cargo-nextest is missing, which selects the tests" >&2
    exit 0
fi
if ! dirs=$(scripts/postgres-versions.sh "${majors[@]}"); then
    echo "versions: NOT tested between versions of PostgreSQL, for the reason above" >&2
    exit 0
fi
mapfile -t dirs <<<"$dirs"

# The whole workspace, as for all other tests: with other features everything would be compiled once more.
cargo build --workspace --bins
failed=()
for source in "${!majors[@]}"; do
    for target in "${!majors[@]}"; do
        [ "$source" != "$target" ] || continue
        pair="${majors[$source]} to ${majors[$target]}"
        meant=$tests
        if [ "${majors[$source]}" = 14 ] || [ "${majors[$target]}" = 14 ]; then
            meant="($tests) - ($without_14)"
        fi
        echo "versions: PostgreSQL $pair"
        MOVER_TEST_POSTGRES="${dirs[$source]} ${dirs[$target]}" cargo nextest run --workspace \
            --no-fail-fast --status-level fail --final-status-level fail -E "$meant" || failed+=("$pair: tests")
        "${CARGO_TARGET_DIR:-target}/debug/mover-chaos" --postgres "${dirs[$source]}" "${dirs[$target]}" --seed "$source$target" \
            --kills 14 --minutes 0.5 --shops 4 --shops-later 2 --branches 2 --accounts 300 --big-accounts 300 --clients 4 \
            --check-every 7 || failed+=("$pair: chaos")
    done
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'versions: FAILED from PostgreSQL %s\n' "${failed[@]}" >&2
    exit 1
fi
