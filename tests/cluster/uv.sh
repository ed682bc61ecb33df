#!/usr/bin/env bash
# uv, which runs everything in Python here: the one that is installed, else pip's, in a virtual environment of its own
# (Debian lets pip install nothing beside its own packages).
set -euo pipefail
. "$(dirname "$0")/env.sh"

command -v uv >/dev/null && exit
say "Installing uv ..."
command -v python3 >/dev/null || apt_install python3 || die "Python 3.11 or newer is needed and not installed."
python3 -m venv "$UV_HOME" 2>/dev/null || { apt_install python3-venv && python3 -m venv "$UV_HOME"; } ||
  die "uv is not installed, and python3 -m venv, which it would be installed into, does not work."
"$UV_HOME/bin/pip" install --quiet uv || die "uv is not installed, and pip cannot install it."
