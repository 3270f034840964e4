"""The team's survey about an incident: how it gets into the journal, and what the journal holds of it."""

from __future__ import annotations

import secrets

from homeostat.app.people import outcome_of
from homeostat.app.pinned import pinned_policy
from homeostat.app.settings import Settings
from homeostat.app.store import written_or_put
from homeostat.decide.answers import feedback_given
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.entries import FeedbackGiven, Suspected
from homeostat.model.errors import UsageError
from homeostat.model.feedback import Feedback
from homeostat.model.nearest import did_you_mean
from homeostat.model.ports import Clock, Journal
from homeostat.record.inbox import check


def feedback_of(journal: Journal, incident: str | None = None) -> list[FeedbackGiven]:
    """The surveys that count about one incident, or (None) about all: each person's newest, in order of giving.

    Raises:
        JournalError: it cannot be read.
    """
    newest: dict[tuple[str, str], FeedbackGiven] = {}
    for record in journal.since(0.0, {FeedbackGiven.TYPE}):
        entry = record.entry
        if not isinstance(entry, FeedbackGiven) or incident not in (None, entry.feedback.incident):
            continue
        who = entry.feedback.incident, "".join(entry.by.split()).casefold()
        if who not in newest or entry.given_at >= newest[who].given_at:
            newest[who] = entry
    return sorted(newest.values(), key=lambda entry: entry.given_at)


def check_step(journal: Journal, incident: str, step: str) -> None:
    """Refuse a step that the incident's plan does not have; any is taken where the plan's text is not journalled.

    Raises:
        UsageError: names the nearest step. JournalError: the journal cannot be read.
    """
    opened = next((record.entry for record in journal.read(incident)), None)
    policy = pinned_policy(journal, opened.policy, opened.policy_hash) if isinstance(opened, Suspected) else None
    if policy is None:
        return
    steps = [*(node.id for node in policy.nodes()), *policy.undos]
    if step not in steps:
        hint = did_you_mean(step, steps) or f"; it has {', '.join(steps)}"
        raise UsageError(f"no step '{step}' in the plan of incident {incident}{hint}")


def give_feedback(settings: Settings, clock: Clock, by: str, feedback: Feedback, wait_s: float) -> bool:
    """Have the workspace's journal say it; False if no agent took it in within `wait_s`: then it lies in the inbox.

    Raises:
        UsageError: `by` is no name, a rating or a text is out of bounds, or the agent here uses another store.
        JournalError: neither the journal nor the inbox can be written.
    """
    answer = Answer(secrets.token_hex(8), AnswerKind.FEEDBACK, by, clock.now(), feedback=feedback)
    check(answer)
    is_written = written_or_put(settings, clock, feedback_given(answer, feedback, answer.at), answer)
    return is_written or outcome_of(settings, clock, answer, wait_s) is not None
