"""Structured logs on stderr: JSON for machines, text for people."""

from __future__ import annotations

import sys

import structlog


def log_to_stderr(format_name: str) -> None:
    """Configure structlog; `format_name` is `json` or `text`. Standard output stays free for a command's own answer."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if format_name == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
