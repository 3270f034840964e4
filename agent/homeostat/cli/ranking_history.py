"""What the commands about rankings share: the journal's side of a policy, and a person's word on what rules."""

from __future__ import annotations

import getpass
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from homeostat.app.ruling import Ruling
    from homeostat.app.settings import Settings
    from homeostat.learn.promotion import Promotions
    from homeostat.model.policy import Choose, Policy
    from homeostat.model.ports import Journal
    from homeostat.record.stored import StoredJournal


@dataclass(frozen=True)
class Logged:
    """A policy, and what the journal holds of it.

    Attributes:
        known: its rankings. head_seq: of the last entry in the policy's stream.
        recurrence_s: labels are mature after it.
    """

    policy: Policy
    journal: Journal
    known: Promotions
    head_seq: int
    recurrence_s: float


def history_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add --history."""
    text = "A workspace, a journal, an export or a folder of recordings, instead of the workspace here."
    return click.option("--history", "place", metavar="PLACE", help=text)(command)


@contextmanager
def journal_of(settings: Settings, place: str | None) -> Iterator[StoredJournal]:
    """The workspace's journal, or what --history names: anything that `homeostat.open` takes.

    Raises:
        UsageError, PolicyError: there is none, or it is invalid. JournalError: it cannot be read.
    """
    from homeostat.app.opening import open_source
    from homeostat.app.store import journal_to_read

    if place is None:
        with journal_to_read(settings) as journal:
            yield journal
        return
    source = open_source(place)
    with source.opened:
        yield source.journal


@contextmanager
def logged_of(settings: Settings, policy: str, place: str | None = None) -> Iterator[Logged]:
    """What was logged of a policy.

    Raises:
        UsageError, PolicyError: no such policy, or see `journal_of`. JournalError: it cannot be read.
    """
    from homeostat.app.policies import policy_named

    known = policy_named(settings, policy)
    with journal_of(settings, place) as journal:
        yield _logged(known, journal, settings)


def _logged(policy: Policy, journal: Journal, settings: Settings) -> Logged:
    from homeostat.learn.promotion import fold
    from homeostat.model.streams import policy_stream

    records = list(journal.read(policy_stream(policy.name)))
    head_seq = records[-1].seq if records else 0
    known = fold(record.entry for record in records)
    return Logged(policy, journal, known, head_seq, settings.learning.recurrence_s)


def decisions_of(logged: Logged) -> pd.DataFrame:
    """The decisions of the policy's newest incidents, as retraining sees them."""
    from homeostat.app.clock import SystemClock
    from homeostat.learn.dataset import decision_rows
    from homeostat.learn.retrain import INCIDENTS_MAX
    from homeostat.learn.trace import newest_incidents

    traces = newest_incidents(logged.journal, logged.policy.name, INCIDENTS_MAX)
    return decision_rows(traces, logged.policy, logged.recurrence_s, as_of=SystemClock().now())


def trials_by_node(logged: Logged) -> Iterator[tuple[Choose, pd.DataFrame]]:
    """Every `choose` node of the policy with its labelled trials."""
    from homeostat.learn.ranker import choose_nodes, labelled_trials

    decisions = decisions_of(logged)
    for node in choose_nodes(logged.policy):
        yield node, labelled_trials(decisions, node)


def ranking_changes(group: click.Group) -> tuple[click.Command, click.Command]:
    """Add `promote` and `rollback` to the group of rankings' commands."""

    @group.command()
    @click.argument("policy")
    @click.argument("ranking", default="challenger")
    @click.option("--why", default="", help="Goes into the journal.")
    @click.option("--although-refused", is_flag=True, help="Let it rule although the gate refused it; needs --why.")
    @_by
    @pass_workspace
    def promote(workspace: Workspace, policy: str, ranking: str, why: str, although_refused: bool, by: str) -> None:
        """Let RANKING order POLICY's candidates from here on.

        RANKING is a version or its beginning, or `challenger`: the newest that does not rule.
        """
        from homeostat.app.clock import SystemClock
        from homeostat.learn.promotion import promote as promoted

        now = SystemClock().now()
        with logged_of(workspace.settings, policy) as logged:
            entry = promoted(logged.known, logged.policy, ranking, by, now, why, although_refused=although_refused)
        _journal(workspace, logged, entry, entry.version)

    @group.command()
    @click.argument("policy")
    @click.option("--to", default=None, help="A version, or `written` [default: what ruled before].")
    @click.option("--why", required=True, help="Goes into the journal.")
    @_by
    @pass_workspace
    def rollback(workspace: Workspace, policy: str, to: str | None, why: str, by: str) -> None:
        """Take back the ranking that rules POLICY."""
        from homeostat.app.clock import SystemClock
        from homeostat.learn.promotion import roll_back

        with logged_of(workspace.settings, policy) as logged:
            entry = roll_back(logged.known, logged.policy, by, SystemClock().now(), why, to)
        _journal(workspace, logged, entry, entry.to)

    return promote, rollback


def _by(command: click.decorators.FC) -> click.decorators.FC:
    return click.option("--as", "by", default=getpass.getuser, show_default="who is logged in", help="Your name.")(
        command
    )


def _journal(workspace: Workspace, logged: Logged, entry: Ruling, version: str | None) -> None:
    from homeostat.app.ruling import journal_ruling

    by_agent = journal_ruling(workspace.settings, logged.policy.name, logged.head_seq, entry)
    when = "with the running agent's next tick" if by_agent else "from here on"
    what = "the written order" if version is None else f"ranking {version[:12]}"
    workspace.output.say(f"{logged.policy.name}: {what} rules {when}")
    if not workspace.output.is_for_people:
        workspace.output.rows(
            [{"policy": logged.policy.name, "journalled": entry.TYPE, "version": entry.version, "actor": entry.actor}],
            ("policy", "journalled", "version", "actor"),
        )
