#!/bin/sh
# Puts Debian's Prometheus (server and promtool) on this machine for tests/live, where root and apt allow it.
# Without them the live tests skip and say so; under CI=true they fail instead.
set -eu
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "live tests: no prometheus on the PATH and no root with apt-get to install it; they will be skipped" >&2
    exit 0
fi
# Tests start their own server on a free loopback port: keep the package from starting a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends prometheus >/dev/null
