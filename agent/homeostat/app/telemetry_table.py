"""`[telemetry]` of the settings file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from homeostat.app.table import Table, plain_url


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
        return None if url is None else plain_url(url, "use OTEL_EXPORTER_OTLP_HEADERS")
