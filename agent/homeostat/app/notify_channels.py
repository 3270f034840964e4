"""The channels of the settings, made; and whatever is wrong with them, at its place."""

from __future__ import annotations

from collections.abc import Callable

from homeostat.act.secret import SecretError, resolve
from homeostat.act.signing import signed_headers
from homeostat.app.settings import Settings
from homeostat.app.settings_file import FILE_NAME, place_in
from homeostat.model.errors import PolicyError, Position, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.notify.channel import Channel, ChannelContext, RefusedMessageError
from homeostat.notify.kinds import make_channel


def channel_named(settings: Settings, name: str, now: Callable[[], float]) -> Channel:
    """Make one channel. Raises UsageError."""
    table = settings.notify.channels.get(name)
    if table is None:
        known = sorted(settings.notify.channels)
        hint = did_you_mean(name, known) or f"; known: {', '.join(known) or 'none, see the table [notify.channels]'}"
        raise UsageError(f"no channel '{name}' in homeostat.toml{hint}")
    commands = settings.secrets.for_lookup()

    def secret(reference: str) -> str:
        try:
            return resolve(reference, commands)
        except SecretError as error:
            raise RefusedMessageError(str(error)) from None

    return make_channel(table.kind, ChannelContext(name, table.options, table.timeout_s, now, secret, signed_headers))


def all_channels(settings: Settings, now: Callable[[], float]) -> dict[str, Channel]:
    """Make every channel. Raises PolicyError with all that is wrong."""
    channels: dict[str, Channel] = {}
    problems: list[Problem] = []
    for name in settings.notify.channels:
        try:
            channels[name] = channel_named(settings, name, now)
        except UsageError as error:
            problems.append(Problem(_place(settings, name), "E011", str(error)))
    if problems:
        raise PolicyError(problems)
    return channels


def singly(channels: dict[str, Channel]) -> list[str]:
    """Those that take word of how incidents went on one by one."""
    return [name for name, channel in channels.items() if getattr(channel, "singly", False)]


def _place(settings: Settings, channel: str) -> Position:
    path = settings.root / FILE_NAME
    try:
        return place_in(path, path.read_text(), ("notify", "channels", channel))
    except (OSError, UnicodeDecodeError):
        return Position(str(path), 1, 1)
