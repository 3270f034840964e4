"""How to reach a Prometheus: settings, checked when they are made, and secrets by reference."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec

from homeostat.model.errors import UsageError

SECRET_BYTES_MAX = 65_536
"""A token is short; a larger file is not a token."""

_REFERENCE = re.compile(r"(env|file):(.+)", re.DOTALL)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: token


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """Where the Prometheus is, how to prove who we are, and how much one read may cost.

    Proxies, `.netrc` and the like of the environment are not used: they would decide silently where a token goes.

    Attributes:
        url: the server's root, with a path prefix if it has one; no credentials in it.
        timeout_s: a read of all signals returns within this.
        token: reference of a bearer token: `env:NAME` or `file:/path`.
        username, password: basic authentication; the password is a reference.
        headers: sent with every request; values that begin with `env:` or `file:` are references.
        verify_tls: whether the server's certificate must be valid.
        ca_file: certificate authorities to trust instead of the built-in ones.
        client_cert_file, client_key_file: our own certificate, for mutual TLS.
        batch_size_max: expressions that share one query.
        query_bytes_max: size of one query.
        answer_bytes_max: size of one answer.
        extra_queries_max: queries a read may spend, beyond its batches, on finding the expression at fault.
        quarantine_s, quarantine_max_s: how long a refused expression is left alone at first and at most; doubles.
        clock_skew_max_s: by how much the server's `Date` may differ from `now` before its answers are rejected; None:
            unchecked (for a virtual clock). With a clock behind the server's we would read an old world as a fresh one.

    Raises:
        UsageError: a setting makes no sense; the message names it.
    """

    url: str = "http://127.0.0.1:9090"
    timeout_s: float = 5.0
    token: str | None = None
    username: str | None = None
    password: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify_tls: bool = True
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    batch_size_max: int = 50
    query_bytes_max: int = 200_000
    answer_bytes_max: int = 8_000_000
    extra_queries_max: int = 64
    quarantine_s: float = 5.0
    quarantine_max_s: float = 300.0
    clock_skew_max_s: float | None = None

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_authentication(self)
        _check_tls(self)
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise UsageError(f"{name} is {value!r}; it must be between {low:g} and {high:g}")
        if self.quarantine_max_s < self.quarantine_s:
            raise UsageError(
                f"quarantine_max_s is {self.quarantine_max_s:g}, less than quarantine_s {self.quarantine_s:g}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Self:
        """Make settings of what a settings file holds.

        Raises:
            UsageError: a name is unknown or a value has the wrong type.
        """
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                nearest = get_close_matches(str(name)[:100], known, n=1)
                hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known are {', '.join(known)}"
                raise UsageError(f"a prometheus sensor has no setting '{name}'{hint}")
        try:
            return msgspec.convert(dict(values), cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"the prometheus sensor's settings are wrong: {error}") from None


_BOUNDS = (
    ("timeout_s", 0.05, 300.0),
    ("batch_size_max", 1, 1_000),
    ("query_bytes_max", 10_000, 8_000_000),
    ("answer_bytes_max", 10_000, 1_000_000_000),
    ("extra_queries_max", 0, 10_000),
    ("quarantine_s", 0.1, 86_400.0),
    ("quarantine_max_s", 0.1, 86_400.0),
    ("clock_skew_max_s", 1.0, 86_400.0),
)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"url {url!r} is not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise UsageError("url holds credentials; use username and password, or token, instead")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"url {url!r} must look like http://host:9090 or https://host/prefix")
    if parts.query or parts.fragment:
        raise UsageError(f"url {url!r} must end with the host or a path, without '?' or '#'")


def _check_authentication(settings: PrometheusSettings) -> None:
    if settings.token is not None and settings.username is not None:
        raise UsageError("token and username are both set; only one can be sent")
    if (settings.username is None) != (settings.password is None):
        raise UsageError("username and password must be set together")
    for name in ("token", "password"):
        value = getattr(settings, name)
        if value is not None and not _REFERENCE.fullmatch(value):
            raise UsageError(f"{name} must be a reference, env:NAME or file:/path, not the secret itself")
    for name, value in settings.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise UsageError(f"headers: {name!r} is not a header's name")
        if name.lower() == "authorization" and not _REFERENCE.fullmatch(value):
            raise UsageError(
                "headers: Authorization must be a reference, env:NAME or file:/path, not the secret itself"
            )


def _check_tls(settings: PrometheusSettings) -> None:
    if settings.client_key_file is not None and settings.client_cert_file is None:
        raise UsageError("client_key_file is set without client_cert_file")
    if settings.ca_file is not None and not settings.verify_tls:
        raise UsageError("ca_file is set, but verify_tls is false, so that it would not be used")
    for name in ("ca_file", "client_cert_file", "client_key_file"):
        value = getattr(settings, name)
        if value is not None and not Path(value).is_file():
            raise UsageError(f"{name}: there is no file {value!r}")


def request_headers(settings: PrometheusSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the headers of every request, with the secrets filled in.

    Raises:
        UsageError: a reference leads nowhere, or to something no header can hold. The message never shows a secret.
    """
    headers = {name: _resolve(f"headers: {name}", value, environ) for name, value in settings.headers.items()}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {_resolve('token', settings.token, environ)}"
    return headers


def basic_credentials(settings: PrometheusSettings, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Give user and password for basic authentication, or None.

    Raises:
        UsageError: as `request_headers`.
    """
    if settings.username is None or settings.password is None:
        return None
    return settings.username, _resolve("password", settings.password, environ)


def _resolve(name: str, value: str, environ: Mapping[str, str]) -> str:
    reference = _REFERENCE.fullmatch(value)
    if reference is None:
        secret = value
    elif reference[1] == "env":
        if reference[2] not in environ:
            raise UsageError(f"{name}: the environment variable {reference[2]} is not set")
        secret = environ[reference[2]]
    else:
        secret = _read_secret(name, Path(reference[2]))
    secret = secret.strip()
    if not secret:
        raise UsageError(f"{name}: {value} is empty" if reference else f"{name} is empty")
    # A line break would smuggle in a header of its own; the HTTP stack would quote the secret in its complaint.
    if not (secret.isascii() and secret.isprintable()):
        raise UsageError(f"{name}: {value if reference else 'the value'} holds characters that no header may hold")
    return secret


def _read_secret(name: str, path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a pipe that nobody writes to would hold the loop up
            raise UsageError(f"{name}: {str(path)!r} is not a file")
        with path.open(encoding="utf-8") as file:
            secret = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except ValueError:  # also: a NUL in the path
        raise UsageError(f"{name}: {str(path)!r} is not a text file's name, or the file is not text") from None
    if len(secret) > SECRET_BYTES_MAX:
        raise UsageError(f"{name}: {path} is over {SECRET_BYTES_MAX} characters long")
    return secret
