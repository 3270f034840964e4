"""`[telemetry]` of the settings file."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from homeostat.app.table import Table


class TelemetryTable(Table):
    """Where traces of closed incidents go: `otlp` sends them to `endpoint` by OTLP over HTTP.

    Without `endpoint` the variables OTEL_EXPORTER_OTLP_* say where, as they say which headers are sent.
    """

    traces: Literal["none", "otlp"] = "none"
    endpoint: str | None = None
    timeout_s: float = Field(10.0, ge=0.1, le=60.0)

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must read https://HOST/v1/traces, or http:// within a network you trust")
        if parts.username is not None or parts.password is not None or parts.query:
            raise ValueError("must hold no user, no password and no query: use OTEL_EXPORTER_OTLP_HEADERS")
        return url
