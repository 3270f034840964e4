"""What the steps whose mode is earned have earned so far, and what is missing for more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from homeostat.decide.autonomy import mode_earned
from homeostat.decide.ledger import account
from homeostat.decide.track_record import missing, success_share_low
from homeostat.model import entries as e
from homeostat.model.autonomy import Mode
from homeostat.model.incident import Ledger
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.track_record import TrackRecord


@dataclass(frozen=True, slots=True)
class EarningStep:
    """One step whose mode is earned.

    Attributes:
        mode: how far the agent may go with it now. earned: the freest it can get.
        attempts, successes: since the mode last changed. success_share_low: 90% sure to be reached.
        missing: for the next level, in words; "" where there is none.
        fell_for: why it was last lowered; "" where it never was.
    """

    policy: str
    step: str
    mode: Mode
    earned: Mode
    attempts: int
    successes: int
    success_share_low: float
    missing: str
    fell_for: str


def track_records_of(journal: Journal) -> Ledger:
    """The ledger as far as it knows of attempts. Raises JournalError."""
    ledger = Ledger()
    for record in journal.since(0.0, {e.AttemptCounted.TYPE, e.SuccessRelapsed.TYPE}):
        ledger = account(ledger, record.entry)
    return ledger


def earning_steps(policies: Iterable[Policy], ledger: Ledger) -> Iterator[EarningStep]:
    """Every step whose mode is earned, in the order of the policies and their steps."""
    for policy in policies:
        for leaf in policy.leaves.values():
            mode = mode_earned(ledger, policy.name, leaf)
            if leaf.earning is None or mode is None:
                continue
            known = ledger.track_records.get((policy.name, leaf.earning.step), TrackRecord(policy.name, leaf.id))
            yield EarningStep(
                policy=policy.name,
                step=leaf.id,
                mode=mode,
                earned=leaf.mode or Mode.AUTO,
                attempts=known.attempts,
                successes=known.successes,
                success_share_low=success_share_low(known),
                missing="" if known.level >= leaf.earning.level_max else missing(known),
                fell_for=known.fell_for,
            )
