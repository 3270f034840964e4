"""Every decision of every policy test and world shipped is made again, the same, from a journal that was JSON.

The journal's entries are encoded and decoded; policies are loaded from the texts it keeps, incidents and ledger are
folded from it, and `step` is asked again at each moment at which something was decided. By default one policy test in
four is taken; `HOMEOSTAT_DECISIONS=all` takes all of them (3,123 decisions of 494 tests in November 2026).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from homeostat.decide.identity import dormant_incident
from homeostat.decide.ledger import account
from homeostat.decide.projection import apply, fold
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.loop import turns
from homeostat.model import entries as e
from homeostat.model.commands import Step
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import Policy
from homeostat.policy.load import load_journalled, load_policy
from homeostat.record.codec import CODEC
from homeostat.simulate.bench.case import Case, run_case
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.suite import load_suite, suite_paths
from homeostat.simulate.bench.trial import course_of
from homeostat.simulate.bench.world import load_world

EVERY = 1 if os.environ.get("HOMEOSTAT_DECISIONS") == "all" else 4
POLICIES = Path(__file__).parents[2] / "policies"
DECISIONS_MIN = 412
INCIDENTS_MIN = 5
INCIDENTS_MAX = 60


@dataclass(frozen=True)
class Asked:
    """One call of `step`: what it was given, and what it decided."""

    policy: Policy
    incident: Incident
    moment: Moment
    decided: Step

    @property
    def decisions(self) -> int:
        """What was decided, and what was started."""
        return sum(isinstance(entry, e.Decided | e.ActionIntended) for entry in self.decided.entries)


def through_json(entry: e.Entry) -> e.Entry:
    """An entry as a reader of the stored journal gets it."""
    encoded = CODEC.encode(entry)
    return CODEC.decode(encoded.type, encoded.v, encoded.body)


def listened(run: Callable[[], Course], monkeypatch: pytest.MonkeyPatch) -> tuple[list[Asked], Course]:
    """Run something, and keep every question that the loop asks `step` in it."""
    asked: list[Asked] = []

    def listening(policy: Policy, incident: Incident, moment: Moment) -> Step:
        decided = step(policy, incident, moment)
        asked.append(Asked(policy, incident, moment, decided))
        return decided

    with monkeypatch.context() as patched:
        patched.setattr(turns, "step", listening)
        course = run()
    return asked, course


def decisions_made_again(policy: Policy, run: Callable[[], Course], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run something and decide all of it again from its journal, read back from JSON; give how many decisions it was.

    Raises:
        AssertionError: one of them is not the same.
    """
    asked, course = listened(run, monkeypatch)
    journal = [(stream, entry, through_json(entry)) for stream, entry in course.entries]
    policy = _loaded_again(policy.hash, journal)
    count = 0
    reader = Reader()
    unread = iter(journal)
    for call in asked:
        effects = (*call.decided.entries, *call.decided.policy_entries)
        if not effects:
            continue
        for stream, entry, read in unread:
            if entry is effects[0]:
                break
            reader.take(stream, read)
        else:
            raise AssertionError("a decision is not in the journal")
        if call.decisions:
            again = step(policy, reader.incident(call), reader.moment(call))
            assert again.entries == call.decided.entries
            assert again.commands == call.decided.commands
            assert again.incident == call.decided.incident
            count += call.decisions
        reader.take(stream, read)
    for stream, _, read in unread:
        reader.take(stream, read)
    for stream, entries in course.streams().items():
        assert reader.incidents[stream] == fold(entries)
    return count


LOADED: dict[str, Policy] = {}


def _loaded_again(policy_hash: str, journal: Iterable[tuple[str, e.Entry, e.Entry]]) -> Policy:
    """The policy from the texts a journal keeps, once for each hash over them: most cases share theirs."""
    if policy_hash not in LOADED:
        LOADED[policy_hash] = load_journalled((read for _, _, read in journal), policy_hash)
    return LOADED[policy_hash]


class Reader:
    """Reads a journal, and folds it as it reads."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.ledger = Ledger()

    def take(self, stream: str, entry: e.Entry) -> None:
        self.ledger = account(self.ledger, entry)
        known = self.incidents.get(stream)
        if known is not None:
            self.incidents[stream] = apply(known, entry)
        elif isinstance(entry, e.Suspected):
            self.incidents[stream] = fold([entry])

    def incident(self, call: Asked) -> Incident:
        """The incident as the journal has it up to here."""
        folded = self.incidents.get(call.incident.id) or dormant_incident(call.policy, call.moment.now, 0)
        assert folded == call.incident
        return folded

    def moment(self, call: Asked) -> Moment:
        """The moment as the journal has it: its ledger folded, its snapshot as it was journalled."""
        assert self.ledger == call.moment.ledger
        observed = [through_json(entry) for entry in call.decided.entries if isinstance(entry, e.Observed)]
        snapshots = [entry.snapshot for entry in observed if isinstance(entry, e.Observed)]
        return structs.replace(
            call.moment, ledger=self.ledger, snapshot=snapshots[0] if snapshots else call.moment.snapshot
        )


def all_cases() -> list[Case]:
    """Every policy test that is shipped."""
    suites = [load_suite(path) for path in suite_paths(POLICIES)]
    assert not [problem for suite in suites for problem in suite.problems]
    return [case for suite in suites for case in suite.cases]


def test_every_decision_is_the_same_after_json(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = all_cases()[::EVERY]
    tested = sum(decisions_made_again(case.policy, partial(run_case, case), monkeypatch) for case in cases)
    policy = load_policy(POLICIES / "payments-5xx.homeostat.yaml")
    world = load_world(POLICIES / "payments-5xx.world.yaml", [policy])
    incidents = simulated = 0
    while incidents < INCIDENTS_MAX and (incidents < INCIDENTS_MIN or tested + simulated < DECISIONS_MIN):
        incidents += 1
        simulated += decisions_made_again(policy, partial(course_of, policy, world, incidents, 7), monkeypatch)
    print(f"the same: {tested} decisions of {len(cases)} tests, {simulated} of {incidents} simulated incidents")
    assert tested >= 200
    assert tested + simulated >= DECISIONS_MIN
