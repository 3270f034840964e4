"""What `doctor` says of whom the agent calls and who calls it, beside Prometheus and people. It sends nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from homeostat.act.secret import SecretError, resolve
from homeostat.app.alert_reception import Source
from homeostat.app.anchoring import destinations_of
from homeostat.app.audit import signing_key
from homeostat.app.heartbeat import beat_url
from homeostat.app.settings import Settings
from homeostat.app.tracing import is_traced, otlp
from homeostat.model.errors import UsageError
from homeostat.notify.slack_web import require_slack_sdk
from homeostat.sense.check import Finding, Level


def check_outside(settings: Settings) -> Iterator[Finding]:
    """Look at the dead man's switch, anchors, alert sources, traces and Slack, as far as settings and secrets go."""
    yield _heartbeat(settings)
    yield _anchors(settings)
    yield from _alert_sources(settings)
    yield _traces(settings)
    yield _slack(settings)


def _heartbeat(settings: Settings) -> Finding:
    """Whether the dead man's switch is set; nothing is sent, or an agent that is down would look alive."""
    try:
        url = beat_url(settings.heartbeat)
    except UsageError as error:
        return Finding("heartbeat", Level.ERROR, str(error))
    if url is None:
        return Finding("heartbeat", Level.OK, "no heartbeat.url: only the alert HomeostatDown says that no agent runs")
    return Finding("heartbeat", Level.OK, f"after a healthy tick, at most every {settings.heartbeat.every_s:g} s")


def _anchors(settings: Settings) -> Finding:
    try:
        key = signing_key(settings)
    except UsageError as error:
        return Finding("anchors", Level.ERROR, str(error))
    destinations = ", ".join(destinations_of(settings))
    if key is not None:
        exported = f"exported to {destinations}" if destinations else "exported nowhere"
        return Finding("anchors", Level.OK, f"signed every {settings.audit.anchor_interval_s:g} s, {exported}")
    missing = "no key to sign anchors with; `homeostat audit keygen` makes one"
    return Finding("anchors", Level.ERROR if destinations else Level.OK, missing)


def _alert_sources(settings: Settings) -> Iterator[Finding]:
    sources = settings.alerts.sources
    if not sources:
        missing = "no table [alerts.sources.NAME] in homeostat.toml: no other system's alerts are taken"
        yield Finding("alerts", Level.OK, missing)
    for name, table in sources.items():
        try:
            Source(name, table, settings, agent_token="")
        except UsageError as error:
            yield Finding("alerts", Level.ERROR, str(error))
        else:
            yield Finding("alerts", Level.OK, f"source '{name}' of kind '{table.kind}'")


def _traces(settings: Settings) -> Finding:
    table = settings.telemetry
    if not is_traced(table, os.environ):
        return Finding("traces", Level.OK, 'telemetry.traces is "none": none are sent')
    try:
        otlp(table.endpoint, table.timeout_s)
    except UsageError as error:
        return Finding("traces", Level.ERROR, str(error))
    to = table.endpoint or "where the variables OTEL_EXPORTER_OTLP_* say"
    return Finding("traces", Level.OK, f"of closed incidents, sent to {to}")


def _slack(settings: Settings) -> Finding:
    """Its tokens are for `homeostat serve`, whose environment may have what this one has not."""
    table = settings.slack
    tokens = [token for token in (table.app_token, table.bot_token) if token is not None]
    if not tokens:
        return Finding("slack", Level.OK, "no table [slack] in homeostat.toml: nobody can answer there")
    try:
        require_slack_sdk()
        for token in tokens:
            resolve(token, settings.secrets.for_lookup())
    except UsageError as error:
        return Finding("slack", Level.ERROR, str(error))
    except SecretError as error:
        return Finding("slack", Level.WARNING, f"{error}; `homeostat serve` needs it")
    return Finding("slack", Level.OK, f"`homeostat serve` hears clicks of {len(table.people)} people there")
