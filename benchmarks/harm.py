"""What exploring costs: harm within its budget, and time to recovery with it on and off.

Incidents of a world (`benchmarks/learning/worlds.py`) are lived through one after the other by the real `step`, with a
policy of one `choose`; every 50 incidents the ranking is trained anew from what `step` journalled, and rules. All ways
of exploring meet the same incidents and the same outcomes. Harm is counted by the world, not by what the journal says.

    python -m benchmarks.harm [--seeds 10] [--incidents 300] [--world mixture]
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.learning.catalogue import make
from benchmarks.learning.worlds import ESCALATION_S, TRIES_MAX, VERIFY_FAILED_S, VERIFY_OK_S, World

from homeostat.decide.identity import dormant_incident
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.learn.dataset import decision_rows
from homeostat.learn.ranker import train_ranking
from homeostat.learn.trace import trace_journal
from homeostat.model import entries as e
from homeostat.model.autonomy import Exploration
from homeostat.model.commands import Done, Report, Running, StartAction
from homeostat.model.incident import Ledger
from homeostat.model.policy import ActionSpec, Choose, Do, Effect, Escalate, Policy, Steps, Verify, Window
from homeostat.model.ports import Batch
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Condition, Reading, SignalSpec, SignalType, Snapshot, Value
from homeostat.model.streams import policy_stream
from homeostat.policy.conditions import compile_condition
from homeostat.record.memory import MemoryJournal

RETRAIN_EVERY = 50
INCIDENT_EVERY_S = 14_400.0
"""So that well over a hundred incidents fall into one window of the budget, and none into the next incident."""
WINDOW_S = 30 * 86_400.0
STEPS_MAX = 1000
RESOLVED_S = 10.0

WAYS: dict[str, Exploration | None] = {
    "off": None,
    "5%, 1 harm": Exploration(0.05, 1, WINDOW_S),
    "always, 1 harm": Exploration(1.0, 1, WINDOW_S),
    "always, no budget": Exploration(1.0, 1_000_000, WINDOW_S),
}


@dataclass
class Lived:
    """What became of one seed's incidents under one way of exploring."""

    seconds: list[float] = field(default_factory=list)
    explored: list[tuple[float, bool]] = field(default_factory=list)
    """When each explored attempt began, and whether the world says that it did harm."""
    harms: int = 0

    @property
    def harms_in_window_max(self) -> int:
        """Most harms of explored attempts in any window of the budget."""
        times = [at for at, harmful in self.explored if harmful]
        return max((sum(start <= at < start + WINDOW_S for at in times) for start in times), default=0)


def specs_of(world: World) -> dict[str, SignalSpec]:
    facts = world.facts
    numbers = ("errors", "hurt", *facts.numbers)
    texts = ("pattern", *(f"category_{place}" for place in range(len(facts.categories))))
    return {name: SignalSpec(name, name, max_age_s=1e6) for name in numbers} | {
        name: SignalSpec(name, name, max_age_s=1e6, type=SignalType.TEXT) for name in texts
    }


def policy_of(world: World, explore: Exploration | None) -> Policy:
    signals = specs_of(world)

    def condition(text: str) -> Condition:
        return compile_condition(text, signals)

    verify = Verify(condition("errors < 1"), VERIFY_OK_S, VERIFY_FAILED_S)
    leaves = tuple(
        Do(
            name,
            ActionSpec(name, "world", {}, Effect.SAFE, takes_s=declared_s),
            f"w/{name}",
            {},
            Effect.SAFE,
            1e5,
            verify,
        )
        for name, declared_s in zip(world.facts.candidates, world.facts.declared_s, strict=True)
    )
    return Policy(
        name="world",
        owner="bench",
        hash="world",
        signals=signals,
        trigger=Window(condition("errors > 5")),
        resolved=Window(condition("errors < 1"), RESOLVED_S, 1e5),
        escalate=Escalate("people", "people"),
        root=Steps("plan", (Choose("remedy", leaves, explore=explore),)),
        timeout_s=1e6,
        attempts_max=TRIES_MAX,
        harm=condition("hurt > 5"),
    )


class Run:
    """One world under one way of exploring."""

    def __init__(self, world: World, explore: Exploration | None) -> None:
        self.world = world
        self.policy = policy_of(world, explore)
        self.places = {name: place for place, name in enumerate(world.facts.candidates)}
        self.journal = MemoryJournal()
        self.ledger = Ledger()
        self.ranking: Ranking | None = None
        self.lived = Lived()

    def live(self, incidents: int) -> Lived:
        for number in range(incidents):
            began = INCIDENT_EVERY_S * (number + 1)
            self.lived.seconds.append(self.live_one(number, began))
            if (number + 1) % RETRAIN_EVERY == 0:
                traces = trace_journal(self.journal, self.policy.name, incidents)
                decisions = decision_rows(traces, self.policy, 0.0, as_of=began + INCIDENT_EVERY_S)
                self.ranking = train_ranking(decisions, self.policy, began)
        return self.lived

    def live_one(self, number: int, began: float) -> float:
        """Seconds from the incident's opening to its recovery, or to people and what those take."""
        incident, nature = dormant_incident(self.policy, began, self.world.seed), Nature(self.world, number, began)
        for _ in range(STEPS_MAX):
            snapshot = nature.snapshot()
            decided = step(
                self.policy, incident, Moment(nature.now, snapshot, self.ledger, self.ranking, dict(nature.reports))
            )
            batches = [Batch(decided.incident.id, incident.seq, decided.entries)] if decided.entries else []
            if decided.policy_entries:
                batches.append(Batch(policy_stream(self.policy.name), None, decided.policy_entries))
            self.journal.append(batches)
            incident, self.ledger = decided.incident, decided.ledger
            if incident.phase is Phase.CLOSED:
                return nature.now - began
            if any(isinstance(entry, e.Escalated) for entry in decided.entries):
                nature.call_people()
            for command in decided.commands:
                if isinstance(command, StartAction):
                    harms = nature.start(command, self.places[command.action.name])
                    self.lived.harms += harms
                    if command.action.name in incident.explored:
                        self.lived.explored.append((nature.now, harms))
            nature.go_on()
        raise AssertionError(f"incident {number} does not end")


class Nature:
    """What the world does in one incident, in virtual time."""

    def __init__(self, world: World, number: int, now: float) -> None:
        self.now = now
        self.reports: dict[str, Report] = {}
        self._draws, self._number = world.draws, number
        context = world.context(number)
        values: dict[str, Value] = {"errors": 10.0, "hurt": 0.0, "pattern": context.pattern}
        values |= {f"category_{place}": value for place, value in enumerate(context.categories)}
        values |= {
            name: float(value)
            for name, value in zip(world.facts.numbers, context.numbers, strict=True)
            if value == value
        }
        self._values = values
        self._events: list[tuple[float, dict[str, Value], str | None]] = []

    def snapshot(self) -> Snapshot:
        return Snapshot(self.now, {name: Reading(value, self.now) for name, value in self._values.items()})

    def start(self, command: StartAction, place: int) -> bool:
        """Let an action run; say whether it will do harm."""
        ends_at = self.now + float(self._draws.runs_s[self._number, place])
        works, harms = bool(self._draws.works[self._number, place]), bool(self._draws.harms[self._number, place])
        self.reports[command.key] = Running()
        changes: dict[str, Value] = {"errors": 0.0} if works else {}
        self._events += [
            (ends_at, changes | ({"hurt": 10.0} if harms else {}), command.key),
            (ends_at + 1.0, {"hurt": 0.0}, None),
            (ends_at + VERIFY_OK_S, {}, None),
            (ends_at + VERIFY_FAILED_S, {}, None),
        ]
        return harms

    def call_people(self) -> None:
        """They end the incident."""
        self._events.append((self.now + ESCALATION_S, {"errors": 0.0}, None))

    def go_on(self) -> None:
        """Until something happens, or for a while where nothing does."""
        if not self._events:
            self.now += RESOLVED_S
            return
        event = min(self._events, key=lambda each: each[0])
        self._events.remove(event)
        self.now = max(self.now, event[0])
        self._values |= event[1]
        if event[2] is not None:
            self.reports[event[2]] = Done(OutcomeStatus.OK, 1.0)


def main() -> int:
    """Print a table, and whether the budget held in every seed. Exit code 1 where it did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--incidents", type=int, default=300)
    parser.add_argument("--world", default="mixture", choices=("mixture", "smooth"))
    options = parser.parse_args()
    lived: dict[str, list[Lived]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        world = make(options.world, seed, Path())
        for way, explore in WAYS.items():
            lived[way].append(Run(world, explore).live(options.incidents))
        print(f"seed {seed}: " + ", ".join(f"{way} {_mttr(runs[-1]):.0f} s" for way, runs in lived.items()), flush=True)
    print(f"\n{options.world}, {options.seeds} seeds, {options.incidents} incidents each\n")
    print("exploring          MTTR of off   explored   harmful explored, most in a window   harms of all")
    for way, runs in lived.items():
        ratios = [_mttr(run) / _mttr(off) for run, off in zip(runs, lived["off"], strict=True)]
        error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
        explored, most = sum(len(run.explored) for run in runs), [run.harms_in_window_max for run in runs]
        mean = statistics.mean(ratios)
        print(f"{way:18} {mean:.3f} +- {error:.3f} {explored:8} {most!s:>36} {sum(run.harms for run in runs):8}")
    budgets = {way: explore.harm_max for way, explore in WAYS.items() if explore is not None and explore.harm_max == 1}
    kept = {way: sum(run.harms_in_window_max <= most for run in lived[way]) for way, most in budgets.items()}
    print("\n" + "\n".join(f"inside the budget with {way}: {count} of {options.seeds}" for way, count in kept.items()))
    return 0 if all(count == options.seeds for count in kept.values()) else 1


def _mttr(run: Lived) -> float:
    return statistics.mean(run.seconds)


if __name__ == "__main__":
    raise SystemExit(main())
