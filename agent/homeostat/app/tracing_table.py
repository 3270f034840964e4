"""`[tracing]` of the settings file."""

from __future__ import annotations

from pydantic import Field, field_validator

from homeostat.act.secret import FORMS, is_reference
from homeostat.app.heartbeat_table import web_address
from homeostat.app.table import Table


class TracingTable(Table):
    """Where the spans of closed incidents are sent, by OTLP over HTTP (the extra `opentelemetry`).

    `endpoint` is the whole address, as a rule one that ends in /v1/traces. `headers` are references (env:NAME or
    file:/PATH): they hold what the collector asks of who sends to it.
    """

    endpoint: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(10.0, ge=0.5, le=60.0)

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        return None if url is None else web_address(url)

    @field_validator("headers")
    @classmethod
    def _are_references(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, reference in headers.items():
            if not is_reference(reference):
                raise ValueError(f"the header {name} must be {FORMS}, and never the secret itself")
        return headers
