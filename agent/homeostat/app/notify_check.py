"""What `doctor` says of notifications, and what `notify list` and `notify test` do."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from homeostat.app.clock import SystemClock
from homeostat.app.notify_channels import all_channels, channel_named
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, PolicyError
from homeostat.model.policy import Policy
from homeostat.model.streams import NOTIFY_STREAM
from homeostat.notify.message import Message, Topic
from homeostat.sense.check import Finding, Level

_SUBJECT = "notifications"


@dataclass(frozen=True, slots=True)
class Listed:
    """One step of a chain, or a channel by itself, as `notify list` shows it.

    Attributes:
        step: counts from 1; None for a channel. last: what became of the last message, and when (Unix seconds).
    """

    name: str
    step: int | None
    to: str
    wait: str
    last: str
    last_at: float | None


def check_notifications(settings: Settings, policies: Iterable[Policy]) -> Iterator[Finding]:
    """Say what would keep people from being told."""
    table = settings.notify
    if not table.channels:
        yield Finding(_SUBJECT, Level.OK, "no table [notify] in homeostat.toml: nobody is told anything")
        return
    try:
        all_channels(settings, SystemClock().now)
    except PolicyError as error:
        for problem in error.problems:
            yield Finding(_SUBJECT, Level.ERROR, str(problem))
    routing = table.routing()
    for policy in policies:
        for name, why in _wanted(policy):
            if routing.chain_of(name) is None:
                what = f"policy '{policy.name}' {why} '{name}', and no chain, channel or default of [notify] tells them"
                yield Finding(_SUBJECT, Level.WARNING, what)
    last = _last_outcomes(settings)
    for channel in table.channels:
        outcome = last.get(channel)
        if isinstance(outcome, e.NotificationFailed):
            yield Finding(_SUBJECT, Level.WARNING, f"channel '{channel}' gave up last time: {outcome.error}")
        else:
            yield Finding(_SUBJECT, Level.OK, f"channel '{channel}' {'works' if outcome else 'was never used'}")


def _wanted(policy: Policy) -> Iterator[tuple[str, str]]:
    """Whom a policy may want, and for what; each once."""
    yield policy.escalate.to, "escalates to"
    leaves = [*policy.leaves.values()]
    asked = {approver: "asks" for leaf in leaves if leaf.approval for approver in leaf.approval.approvers}
    owners = {str(leaf.action.parameters.get("owner", "")): "gives a step to" for leaf in leaves if leaf.is_manual}
    yield from (asked | owners).items()


def _last_outcomes(settings: Settings) -> dict[str, e.NotificationSent | e.NotificationFailed]:
    """By channel."""
    if not has_journal(settings):
        return {}
    try:
        with journal_to_read(settings) as journal:
            entries = [record.entry for record in journal.read(NOTIFY_STREAM)]
    except HomeostatError:
        return {}  # said of the journal already
    return {entry.channel: entry for entry in entries if isinstance(entry, (e.NotificationSent, e.NotificationFailed))}


def listed(settings: Settings) -> list[Listed]:
    """Every chain with who is on it, then every channel. Raises UsageError."""
    last = _last_outcomes(settings)
    found = [
        _listed(name, number, channel, step.wait, last.get(channel))
        for name, chain in sorted(settings.notify.chains.items())
        for number, step in enumerate(chain.steps, start=1)
        for channel in step.to
    ]
    return found + [
        _listed(name, None, table.kind, "", last.get(name)) for name, table in sorted(settings.notify.channels.items())
    ]


def _listed(
    name: str, step: int | None, to: str, wait: str, outcome: e.NotificationSent | e.NotificationFailed | None
) -> Listed:
    if outcome is None:
        return Listed(name, step, to, wait, "never", None)
    if isinstance(outcome, e.NotificationSent):
        return Listed(name, step, to, wait, "sent", outcome.sent_at)
    return Listed(name, step, to, wait, f"failed: {outcome.error}", outcome.failed_at)


def send_test(settings: Settings, channel: str, by: str) -> None:
    """Send a message that says that it is a test; it is not journalled, and no agent need run.

    Raises:
        UsageError: there is no such channel. NotSentError: it was not taken.
    """
    clock = SystemClock()
    message = Message(
        id=f"test/{secrets.token_hex(8)}",
        topic=Topic.ESCALATED,
        at=clock.now(),
        title=f"Test message of channel '{channel}': nothing has happened",
        lines=(f"sent by {by} with: homeostat notify test {channel}",),
        links=(("console", settings.notify.console_url),) if settings.notify.console_url else (),
    )
    channel_named(settings, channel, clock.now).send(message, "")
