#!/bin/sh
# Every check that needs no server, in the order of their speed; all are run, one failure fails.
#
# Nothing is written into the tree: what the tools remember goes to the user's cache folder.
set -u
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/sonnette-check
export PYTHONDONTWRITEBYTECODE=1 RUFF_CACHE_DIR="$cache/ruff" MYPY_CACHE_DIR="$cache/mypy"

failed=
check() {
    title=$1
    shift
    echo "== $title"
    "$@" || failed="$failed${failed:+, }$title"
}

bin=${VENV:-.venv}/bin
check lint "$bin/ruff" check --quiet .
check format "$bin/ruff" format --check --quiet .
check SQL "$bin/python" -m tools.check_sql
check links "$bin/python" -m tools.check_links
check imports "$bin/lint-imports" --no-cache
check types "$bin/mypy"

if [ -n "$failed" ]; then
    echo "failed: $failed"
    exit 1
fi
echo "all checks passed"
