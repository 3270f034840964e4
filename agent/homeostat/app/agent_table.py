"""`[agent]` of the settings file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from homeostat.app.table import Table, loopback_address
from homeostat.model.policy import Mode


class AgentTable(Table):
    """How the agent runs. Without `mode` it only observes; `environment` chooses the values of policies' parameters.

    `listen` serves /metrics and /healthz; it is loopback, and asks for the state's token.
    """

    policies: Path = Path("policies")
    state: Path = Path("state")
    poll_interval_s: float = Field(15.0, ge=0.1, le=3600)
    mode: Mode = Mode.OBSERVE
    environment: str | None = None
    listen: str = "127.0.0.1:9464"

    @field_validator("policies", "state")
    @classmethod
    def _is_a_name(cls, folder: Path) -> Path:
        if not str(folder).isprintable():
            raise ValueError("must be the name of a folder, without control characters")
        return folder

    @field_validator("listen")
    @classmethod
    def _is_loopback(cls, listen: str) -> str:
        return loopback_address(listen)
