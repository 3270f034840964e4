"""An incident's report after the fact, as `homeostat review` writes it, and the team's survey about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from homeostat.app.access import Role
from homeostat.app.clock import SystemClock
from homeostat.app.feedback import check_step, give_feedback
from homeostat.app.policies import policy_named
from homeostat.app.review.facts import facts_of
from homeostat.app.review.html import chart_of
from homeostat.app.review.markdown import as_markdown
from homeostat.app.review.report import Report, Section
from homeostat.app.review.writing import review
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.console.acts import TAKEN_IN_S_MAX, Refused, Said, require
from homeostat.console.identity import Caller
from homeostat.console.kept import Kept
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.feedback import Feedback
from homeostat.model.ports import Journal
from homeostat.record.inbox import check_text

WRITTEN_MAX = 32
"""How many reports are kept; one reads the policy's newest incidents, and many look at the same."""
WRITTEN_S = 10.0
"""How old a report may be: what is similar to an incident, and whether it came back, other streams tell."""


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The report on one incident.

    Attributes:
        position: of the journal when this was read.
        is_open: the incident is not over yet, so that this is how far it has come.
        svg: when each step ran; "" where none did.
        markdown: the same report as `homeostat review` writes it.
    """

    position: int
    incident: str
    policy: str
    is_open: bool
    title: str
    summary: str
    sections: tuple[Section, ...]
    svg: str = field(repr=False)
    markdown: str = field(repr=False)


_written: Kept[ReviewPage] = Kept(WRITTEN_MAX, WRITTEN_S)


def review_page(settings: Settings, incident: str) -> ReviewPage:
    """See `ReviewPage`. Raises JournalError; UsageError: there is no such incident."""
    if not has_journal(settings):
        raise UsageError(f"no incident {incident}")
    with journal_to_read(settings) as journal:
        length = journal.head_seq(incident)
        if length == 0:
            raise UsageError(f"no incident {incident}")
        surveys = sum(1 for _ in journal.since(0.0, {e.FeedbackGiven.TYPE}))
        key = (settings.journal, settings.store.url, incident, length, surveys)
        return _written.get(key, lambda: _page(settings, journal, incident))


def _page(settings: Settings, journal: Journal, incident: str) -> ReviewPage:
    position = journal.position()  # first: what is written meanwhile may be shown, but not be taken for shown
    recurrence_s = settings.learning.recurrence_s
    facts = facts_of(journal, incident, recurrence_s, SystemClock().now(), partial(policy_named, settings))
    report: Report = review(facts)
    is_open = facts.trace.closed_at is None
    markdown, svg = as_markdown(report), chart_of(report.course)
    return ReviewPage(
        position, incident, facts.trace.policy, is_open, report.title, report.summary, report.sections, svg, markdown
    )


def survey(settings: Settings, caller: Caller, said: Feedback) -> Said:
    """Put one person's survey into the journal, or into the inbox of the agent that writes it.

    Raises:
        Refused: it is not taken, and why. JournalError: neither can be written.
    """
    require(caller, Role.OPERATOR)
    try:
        for text in (said.note, said.missing_step):
            check_text(text)
        with journal_to_read(settings) as journal:
            if journal.head_seq(said.incident) == 0:
                raise Refused(404, f"no incident {said.incident}")
            if said.wrong_step:
                check_step(journal, said.incident, said.wrong_step)
        counts = give_feedback(settings, SystemClock(), caller.name, said, TAKEN_IN_S_MAX)
    except UsageError as error:
        raise Refused(422, str(error)) from error
    if counts:
        return Said(True, "your survey is in the journal under your name")
    return Said(False, "no agent has taken it in yet; it lies in the inbox and counts as soon as one runs")
