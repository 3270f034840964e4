"""The kinds of channels that are there: built in, or from a plugin under the entry points `homeostat.channels`."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.notify.channel import Channel, ChannelContext, ChannelFactory

ENTRY_POINTS = "homeostat.channels"
BUILT_IN = {
    "apprise": "homeostat.notify.through_apprise:AppriseChannel",
    "email": "homeostat.notify.mail:EmailChannel",
    "log": "homeostat.notify.log:LogChannel",
    "pagerduty": "homeostat.notify.pagerduty:PagerDutyChannel",
    "slack": "homeostat.notify.slack:SlackChannel",
    "webhook": "homeostat.notify.webhook:WebhookChannel",
}
"""Each is imported only where it is used; some need an extra."""


def make_channel(kind: str, context: ChannelContext) -> Channel:
    """Make one channel.

    Raises:
        UsageError: there is no such kind, an option is wrong, or the package it needs is not installed.
    """
    return _factory(kind, context.name)(context)


def _factory(kind: str, channel: str) -> ChannelFactory:
    plugins: dict[str, EntryPoint] = {}
    try:
        if kind in BUILT_IN:
            module, _, attribute = BUILT_IN[kind].partition(":")
            built_in: ChannelFactory = getattr(import_module(module), attribute)
            return built_in
        plugins = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
        if kind in plugins:
            plugin: ChannelFactory = plugins[kind].load()
            return plugin
    except Exception as error:
        what = f"cannot be loaded: {type(error).__name__}: {error}"
        raise UsageError(f"channel '{channel}': the kind '{kind}' {what}") from error
    known = sorted({*BUILT_IN, *plugins})
    hint = did_you_mean(kind, known) or f"; known here: {', '.join(known)}"
    raise UsageError(f"channel '{channel}': there is no kind '{kind}'{hint}")
