#!/bin/sh
# Prints the further Pythons of this machine, one a line, each minor version once: those on PATH and
# pyenv's, without the one that .venv is made of. `make test PYTHON=...` takes any of them.
set -eu
cd "$(dirname "$0")/.."
. tools/suitable.sh

seen=" "
if [ -x .venv/bin/python ]; then
    seen=" $(version_of .venv/bin/python) "
fi
pyenv=${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}
for candidate in python3.11 python3.12 python3.13 python3.14 "$pyenv"/versions/3.*/bin/python; do
    suitable "$candidate" || continue
    version=$(version_of "$candidate")
    case $seen in *" $version "*) continue ;; esac
    seen="$seen$version "
    echo "$candidate"
done
