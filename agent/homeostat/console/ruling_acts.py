"""An admin's word on which ranking rules: held against what rules now, and handed to the journal's writer."""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from homeostat.app.access import Role
from homeostat.app.clock import SystemClock
from homeostat.app.people import LOOK_INTERVAL_S
from homeostat.app.ruling import Ruling, journal_ruling
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.console.acts import TAKEN_IN_S_MAX, Refused, Said, require
from homeostat.console.identity import Caller
from homeostat.console.workspace_policies import policy_of
from homeostat.learn.promotion import WRITTEN, Promotions, fold, promote, roll_back
from homeostat.model import entries as e
from homeostat.model.errors import AlreadyDecided, JournalConflict, UsageError
from homeostat.model.streams import policy_stream
from homeostat.record.inbox import TEXT_MAX


class RulingAct(StrEnum):
    """What may be said of a ranking."""

    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


def rule(
    settings: Settings,
    caller: Caller,
    policy: str,
    act: RulingAct,
    seen: str,
    version: str,
    why: str,
    *,
    although_refused: bool = False,
) -> Said:
    """Let a ranking rule, or take the one that rules back.

    Args:
        settings: of the workspace.
        caller: who says it; an admin.
        policy: its name.
        act: what is said.
        seen: the version that ruled when they looked, or `written`: a word on another is refused.
        version: what shall rule, `written` for the order in the file; for `roll_back` "" is what ruled before.
        why: it goes into the journal.
        although_refused: whether a ranking may rule that the gate refused.

    Raises:
        Refused: it does not count, and why. JournalError: it cannot be written.
    """
    require(caller, Role.ADMIN)
    if len(why) > TEXT_MAX:
        raise Refused(422, f"a reason has at most {TEXT_MAX} characters")
    try:
        known_policy = policy_of(settings, policy)
    except UsageError as error:
        raise Refused(404, str(error)) from error
    known, head_seq = _known(settings, policy)
    if (known.ruling.version if known.ruling else WRITTEN) != seen:
        raise Refused(409, "another ranking rules now than you have seen; look again")
    clock = SystemClock()
    try:
        entry: Ruling
        if act is RulingAct.PROMOTE:
            by, now = caller.name, clock.now()
            entry = promote(known, known_policy, version, by, now, why, although_refused=although_refused)
        else:
            entry = roll_back(known, known_policy, caller.name, clock.now(), why, version or None)
        by_agent = journal_ruling(settings, policy, head_seq, entry)
    except (AlreadyDecided, JournalConflict) as error:
        raise Refused(409, str(error)) from error
    except UsageError as error:
        raise Refused(422, str(error)) from error
    return _became(settings, clock, policy, head_seq, entry) if by_agent else Said(True, "it holds from here on")


def _known(settings: Settings, policy: str) -> tuple[Promotions, int]:
    if not has_journal(settings):
        return Promotions(), 0
    with journal_to_read(settings) as journal:
        records = list(journal.read(policy_stream(policy)))
    return fold(record.entry for record in records), records[-1].seq if records else 0


def _became(settings: Settings, clock: SystemClock, policy: str, head_seq: int, said: Ruling) -> Said:
    """Wait until the agent that was told has written it down."""
    until = clock.now() + TAKEN_IN_S_MAX
    while True:
        with journal_to_read(settings) as journal:
            newer = [record.entry for record in journal.read(policy_stream(policy)) if record.seq > head_seq]
        if any(_is(entry, said) for entry in newer):
            return Said(True, "in the journal under your name; it holds from here on")
        if clock.now() >= until or clock.wait(LOOK_INTERVAL_S):
            return Said(False, "the agent has been told, and has not written it down yet")


def _is(entry: e.Entry, said: Ruling) -> bool:
    is_ruling = isinstance(entry, e.RankingPromoted | e.RankingRolledBack)
    return is_ruling and entry.TYPE == said.TYPE and replace(entry, at=said.at) == said
