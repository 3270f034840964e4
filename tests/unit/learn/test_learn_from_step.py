"""The frames and the ranking from what `step` itself journals, not from streams written by hand."""

from tests.unit.learn.incident_streams import START, policy_of, remedy

from homeostat.decide.identity import dormant_incident
from homeostat.decide.step import step
from homeostat.decide.turn import Moment
from homeostat.learn.dataset import attempts_frame, decisions_frame, incidents_frame, journal_records
from homeostat.learn.ranker import train_ranking
from homeostat.model.commands import Done, Report, StartAction
from homeostat.model.incident import Ledger
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Reading, Snapshot
from homeostat.record.memory import MemoryJournal

POLICY = policy_of(remedy("restart", "shift"), signals=["errors", "hint"])


def run_incident(journal: MemoryJournal, start: float, cure: str, policy: Policy, ranking: Ranking | None) -> None:
    """Drive one incident to its end: errors stay at 9 until the cure's action has run."""
    now, errors = start, 9.0
    incident, ledger = dormant_incident(policy, now, seed=7), Ledger()
    reports: dict[str, Report] = {}
    for _ in range(200):
        hint = None if cure == "shift" else 3.0
        readings = {"errors": Reading(errors, now)} | ({} if hint is None else {"hint": Reading(hint, now)})
        decided = step(policy, incident, Moment(now, Snapshot(now, readings), ledger, ranking, dict(reports)))
        if decided.entries:
            journal.append([Batch(decided.incident.id, incident.seq, decided.entries)])
        incident, ledger = decided.incident, decided.ledger
        for command in decided.commands:
            if isinstance(command, StartAction):
                reports[command.key] = Done(OutcomeStatus.OK, 4.0, exit_code=0)
                errors = 0.0 if command.action.name == cure else errors
        if incident.phase is Phase.CLOSED:
            return
        now += 5.0
    raise AssertionError("the incident did not close")


def test_the_agents_own_journal_becomes_frames_and_a_ranking() -> None:
    journal = MemoryJournal()
    ranking = None
    for n, cure in enumerate(["shift", "restart", "shift", "shift", "restart", "shift"] * 5):
        run_incident(journal, START + 1e5 * n, cure, POLICY, ranking)
    records = list(journal_records(journal))
    incidents = incidents_frame(records)
    assert (incidents["result"] == "recovered").all()
    assert incidents["mttr_s"].gt(0).all()
    attempts = attempts_frame(records, POLICY)
    assert attempts["candidate"].value_counts().to_dict() == {"restart": 30, "shift": 20}
    assert (attempts["decision_node"] == "remedy").all()
    assert attempts.loc[attempts["candidate"] == "shift", "failed"].unique().tolist() == [("restart",)]
    assert (attempts["weight"] == 1.0).all()
    assert (attempts["succeeded"] == (attempts["verdict"] == "effective")).all()
    assert (attempts["execution_s"] == 4.0).all()
    assert (attempts["propensity"] == 1.0).all()
    assert attempts["signal:hint"].notna().sum() == 10
    decisions = decisions_frame(records, POLICY)
    assert decisions["eligible"].iloc[0] == ("restart", "shift")
    ranking = train_ranking(decisions, POLICY, START + 1e8)
    assert ranking.attempts == 50
    before = len(list(journal_records(journal)))
    run_incident(journal, START + 1e9, "shift", POLICY, ranking)
    ranked = decisions_frame(list(journal_records(journal))[before:], POLICY).iloc[0]
    assert ranked["chosen"] == "shift", "a missing hint speaks for shift"
    assert ranked["ranking_version"] == ranking.version
    assert 0.0 < min(ranked["probabilities"]) < max(ranked["probabilities"]) < 1.0
