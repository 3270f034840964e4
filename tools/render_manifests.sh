#!/bin/sh
# Draws deploy/kubernetes/homeostat.yaml from the chart, for those who use no helm. Needs helm on the PATH.
set -eu
cd "$(dirname "$0")/.."
helm template homeostat deploy/helm/homeostat --namespace homeostat -f deploy/kubernetes/values.yaml
