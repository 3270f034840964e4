"""Certificates: a server that cannot prove itself is not believed, and not sent the token."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.sense.scripted_prometheus import MakeSensor, ScriptedPrometheus

from homeostat.model.signals import SignalSpec

NOW = 1_700_000_000.0
SPECS = {"up": SignalSpec("up", "up", 30.0)}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, and nothing else here makes certificates")
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*request.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return certificate, key


@pytest.fixture
def tls_server(certificate: tuple[Path, Path]) -> Iterator[ScriptedPrometheus]:
    server = ScriptedPrometheus()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        server.script.signal("up", "1", NOW)
        yield server


def url_of(server: ScriptedPrometheus) -> str:
    return server.url.replace("http:", "https:")


def test_an_unknown_authority_is_not_believed(tls_server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor({"TOKEN": "s3cret"}, url=url_of(tls_server), token="env:TOKEN")
    assert "its certificate is not valid: self-signed certificate" in (sensor.read(SPECS, NOW).error or "")
    assert not tls_server.requests


def test_a_configured_authority_is(
    tls_server: ScriptedPrometheus, make_sensor: MakeSensor, certificate: tuple[Path, Path]
) -> None:
    sensor = make_sensor(url=url_of(tls_server), ca_file=str(certificate[0]))
    assert sensor.read(SPECS, NOW).readings["up"].value == 1.0


def test_the_check_can_be_switched_off_on_purpose_only(tls_server: ScriptedPrometheus, make_sensor: MakeSensor) -> None:
    sensor = make_sensor(url=url_of(tls_server), verify_tls=False)
    # urllib3 says so with every request, which is right; the suite turns warnings into errors.
    with pytest.warns(match="Unverified HTTPS request"):
        assert sensor.read(SPECS, NOW).readings["up"].value == 1.0
