#!/bin/sh
# Runs every tier of tests/, goes on after a tier that fails, and fails if one did.
#
# The tiers that start whole processes run one test after the other; the others share workers, and
# so do the faults of tests/chaos, each of which has a world of its own, and the files of tests/browser.
# Tests that mostly wait have more workers than there are cores.
# tests/integration runs once more on a PostgreSQL of this machine's packages, where there is one:
# the newest of /usr/lib/postgresql/*/bin, or what PG_BINDIR names. TIERS="unit acceptance" runs
# only those.
set -u
cd "$(dirname "$0")/.."

tiers=${TIERS:-unit integration acceptance interop browser chaos fuzz}
failed=
tier() {
    title=$1
    shift
    case " $tiers " in *" ${title%% *} "*) ;; *) return ;; esac
    echo
    echo "== $title"
    "${VENV:-.venv}/bin/python" -m pytest -q "$@" || failed="$failed${failed:+, }$title"
}

newest_bindir() {
    for bindir in /usr/lib/postgresql/*/bin; do
        [ -x "$bindir/postgres" ] && echo "$bindir"
    done | sort -t/ -k5,5n | tail -n 1
}

tier unit -n 2 tests/unit
tier integration -n 4 tests/integration
bindir=${PG_BINDIR:-$(newest_bindir)}
if [ -n "$bindir" ]; then
    tier "integration on $bindir" -n 4 tests/integration --pg-bindir "$bindir"
fi
tier acceptance tests/acceptance
tier interop -n 2 tests/interop
tier browser -n 2 --dist loadfile tests/browser
tier chaos -n 2 tests/chaos
tier fuzz tests/fuzz

echo
if [ -z "$bindir" ]; then
    echo "skipped: integration on a second PostgreSQL (there is no /usr/lib/postgresql/*/bin)"
fi
if [ -n "$failed" ]; then
    echo "failed: $failed"
    exit 1
fi
echo "all tests passed"
