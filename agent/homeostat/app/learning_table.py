"""`[learning]` of the settings file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from homeostat.app.table import Table


class LearningTable(Table):
    """When rankings are trained, and within which bounds, in a process of its own that is killed when it exceeds them.

    `promote`: `auto` through the gate, `review` only by `homeostat rankings promote` or `homeostat retrain
    --promote`; a policy may be stricter.
    """

    retrain_interval_s: float = Field(3600.0, ge=1.0)
    retrain_timeout_s: float = Field(900.0, ge=1.0, le=86_400.0)
    retrain_memory_mib_max: int = Field(4096, ge=256)
    recurrence_s: float = Field(1800.0, ge=0.0)
    promote: Literal["auto", "review"] = "auto"
