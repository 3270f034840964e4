"""What a node of the plan has come to."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """What a node has come to. RUNNING: still at work, waiting, or handed to people."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
