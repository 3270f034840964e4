#!/bin/sh
# Renews requirements/*.lock from pyproject.toml. Needs uv on the PATH; run it when a dependency changes.
set -eu
cd "$(dirname "$0")/.."
compile() { uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header "$@"; }
compile pyproject.toml requirements/build.in -o requirements/core.lock
compile pyproject.toml requirements/build.in --all-extras --group dev -c requirements/core.lock -o requirements/dev.lock
compile requirements/peers.in -o requirements/peers.lock
compile --no-deps requirements/deploy.in -o requirements/deploy.lock
