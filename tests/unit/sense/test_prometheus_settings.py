from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homeostat.model.errors import UsageError
from homeostat.sense.prometheus import PrometheusSensor
from homeostat.sense.settings import PrometheusSettings, basic_credentials, request_headers


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "localhost:9090"}, "must look like"),
        ({"url": "ftp://host"}, "must look like"),
        ({"url": "http://"}, "must look like"),
        ({"url": "http://host:port"}, "not a URL"),
        ({"url": "http://[::1"}, "not a URL"),
        ({"url": "http://user:secret@host"}, "holds credentials"),
        ({"url": "http://host/?a=b"}, "without '\\?'"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be between 0.05 and 300"),
        ({"timeout_s": float("nan")}, "timeout_s is nan"),
        ({"batch_size_max": 0}, "batch_size_max"),
        ({"clock_skew_max_s": -1}, "clock_skew_max_s"),
        ({"quarantine_s": 10, "quarantine_max_s": 5}, "less than quarantine_s"),
        ({"token": "s3cret"}, "token must be a reference"),
        ({"username": "me"}, "set together"),
        ({"password": "env:P"}, "set together"),
        ({"username": "me", "password": "s3cret"}, "password must be a reference"),
        ({"username": "me", "password": "env:P", "token": "env:T"}, "only one"),
        ({"headers": {"a b": "c"}}, "not a header's name"),
        ({"headers": {"authorization": "Bearer s3cret"}}, "Authorization must be a reference"),
        ({"ca_file": "/no/such"}, "ca_file: there is no file '/no/such'"),
        ({"client_key_file": "/no/such"}, "without client_cert_file"),
    ],
)
def test_senseless_settings_are_refused_and_secrets_not_repeated(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        PrometheusSettings(**wrong)
    assert "s3cret" not in str(refusal.value)


def test_settings_from_a_file_name_what_is_wrong() -> None:
    assert PrometheusSettings.from_mapping({"url": "http://p:1", "timeout_s": 2}).timeout_s == 2
    with pytest.raises(UsageError, match="no setting 'timeout'; did you mean 'timeout_s'"):
        PrometheusSettings.from_mapping({"timeout": 2})
    with pytest.raises(UsageError, match=r"timeout_s"):
        PrometheusSettings.from_mapping({"timeout_s": "2"})
    with pytest.raises(UsageError, match="must look like"):
        PrometheusSettings.from_mapping({"url": "nowhere"})


def test_references_lead_to_environment_and_files(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    settings = PrometheusSettings(token=f"file:{path}", headers={"X-Scope-OrgID": "shop", "X-Key": "env:KEY"})
    assert request_headers(settings, {"KEY": "from-env"}) == {
        "X-Scope-OrgID": "shop",
        "X-Key": "from-env",
        "Authorization": "Bearer from-file",
    }
    basic = PrometheusSettings(username="me", password="env:PASSWORD")
    assert basic_credentials(basic, {"PASSWORD": "pw"}) == ("me", "pw")
    assert basic_credentials(settings, {}) is None


@pytest.mark.parametrize(
    ("environ", "why"),
    [({}, "TOKEN is not set"), ({"TOKEN": " "}, "is empty"), ({"TOKEN": "s3cret\r\nX: y"}, "no header may hold")],
)
def test_a_reference_that_leads_nowhere(environ: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        PrometheusSensor(PrometheusSettings(token="env:TOKEN"), environ=environ)
    assert "s3cret" not in str(refusal.value)


def test_a_file_that_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        request_headers(PrometheusSettings(token=f"file:{tmp_path / 'missing'}"), {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not text"):
        request_headers(PrometheusSettings(token=f"file:{tmp_path / 'binary'}"), {})
    (tmp_path / "large").write_text("x" * 70_000)
    with pytest.raises(UsageError, match="characters long"):
        request_headers(PrometheusSettings(token=f"file:{tmp_path / 'large'}"), {})


def test_settings_show_references_only() -> None:
    assert "env:TOKEN" in repr(PrometheusSettings(token="env:TOKEN"))
