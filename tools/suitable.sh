# For other scripts: whether a Python can run Sonnette and make a venv.
#
# A name on PATH proves nothing: pyenv has shims for Pythons that it does not have, and Debian
# ships a python3 whose venv module cannot make a venv.
suitable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
