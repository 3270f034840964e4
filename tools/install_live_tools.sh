#!/bin/sh
# Puts Debian's Prometheus (server and promtool), PostgreSQL (server), what the rig of drills runs beside them, a
# browser for the console and a proxy to stand in front of it on this machine for the tests that need real ones, where
# root and apt allow it. Without them those tests skip and say so; under CI=true they fail instead.
set -eu
wanted=
if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then wanted=prometheus; fi
# Debian keeps the server's programs off the PATH.
if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    wanted="$wanted postgresql"
fi
for program in prometheus-alertmanager pgbouncer haproxy chromium; do
    if ! PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null; then wanted="$wanted $program"; fi
done
if ! PATH="$PATH:/usr/sbin" command -v nft >/dev/null; then wanted="$wanted nftables"; fi
if ! PATH="$PATH:/usr/sbin" command -v nginx >/dev/null; then wanted="$wanted nginx-light"; fi
if [ -z "$wanted" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "live tests: missing $wanted, and no root with apt-get to install it; they will be skipped" >&2
    exit 0
fi
# Tests start their own servers on free loopback ports: keep the packages from starting services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# Nor does a cluster have to be made that nobody uses.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
apt-get install -y -qq --no-install-recommends $wanted >/dev/null
