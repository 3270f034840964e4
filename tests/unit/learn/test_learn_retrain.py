import threading
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from tests.unit.learn.incident_streams import EFFECTIVE, INEFFECTIVE, START, Stream, do, journal_of, policy_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors, told_by_nothing

from homeostat.decide.scoring import feature_columns, success_probabilities
from homeostat.learn.explain import describe
from homeostat.learn.gate import Bounds
from homeostat.learn.retrain import Retrained, apply_retrained, current_ranking
from homeostat.learn.retrain import retrain as retrain_with
from homeostat.learn.trace import trace_journal
from homeostat.model import entries as e
from homeostat.model.errors import JournalConflict
from homeostat.model.policy import Choose
from homeostat.model.ports import Batch, Record
from homeostat.model.reasons import Result
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal

NOW = START + 1e8
QUICK = Bounds(replicates=20)

retrain = partial(retrain_with, bounds=QUICK)
POLICY = policy_of(remedy("restart", "shift"))


def later(stream: Stream, seconds: float) -> Stream:
    stream.entries = [replace(entry, at=entry.at + seconds) for entry in stream.entries]
    return stream


@cache
def good() -> Retrained:
    """What a journal of eighty incidents told by errors comes to, trained once: it depends on nothing else."""
    return retrain(journal_of(told_by_errors(80)), POLICY, NOW, "tester")


def types(retrained: Retrained) -> list[str]:
    return [entry.TYPE for entry in retrained.entries]


def test_a_good_ranking_is_trained_promoted_and_found_again() -> None:
    journal = journal_of(told_by_errors(80))
    retrained = good()
    assert types(retrained) == ["ranking.trained", "ranking.promoted"]
    assert retrained.promoted
    trained, promoted = retrained.entries
    assert isinstance(trained, e.RankingTrained)
    assert isinstance(promoted, e.RankingPromoted)
    assert trained.gate == retrained.verdict.text
    assert (promoted.version, promoted.actor, promoted.replaces) == (retrained.ranking.version, "tester", None)
    assert current_ranking(journal, "p") is None
    apply_retrained(journal, retrained)
    assert current_ranking(journal, "p") == retrained.ranking
    assert journal.verify() == []


def test_training_the_same_again_adds_nothing() -> None:
    journal = journal_of(told_by_errors(80))
    first = good()
    apply_retrained(journal, first)
    again = retrain(journal, POLICY, NOW + 60.0, "tester")
    assert (again.entries, again.promoted) == ((), False)
    assert again.ranking == first.ranking
    head = journal.head_seq("policy/p")
    apply_retrained(journal, again)
    assert journal.head_seq("policy/p") == head


def swapped(count: int, start: float) -> list[Stream]:
    """What helped where errors are low now helps where they are high, and the other way round."""
    streams = []
    for n in range(count):
        candidate, level = ("restart", "shift")[n % 2], (1.0, 1.0, 9.0, 9.0)[n % 4]
        works = (candidate == "restart") == (level > 5)
        stream = Stream(f"s{n:03d}", start + 1e5 * n).confirm()
        stream.choose(candidate, {"errors": level}, eligible=("restart", "shift"))
        streams.append(stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close())
    return streams


def test_a_new_ranking_names_the_one_it_replaces() -> None:
    journal = journal_of(told_by_errors(80))
    first = retrain(journal, POLICY, START + 2e7, "tester")
    trained, promoted = first.entries
    lately = changed(promoted, at=NOW)  # so that it has not ruled long enough to be watched
    apply_retrained(journal, replace(first, entries=(trained, lately)))
    for stream in swapped(80, START + 5e7):
        journal.append([Batch(stream.id, 0, stream.entries)])
    second = retrain(journal, POLICY, NOW, "tester", incidents_max=80)
    assert second.ranking.attempts == 80
    assert isinstance(second.entries[-1], e.RankingPromoted)
    assert second.entries[-1].replaces == first.ranking.version


def test_a_refused_ranking_is_recorded_and_does_not_rule() -> None:
    journal = journal_of(told_by_nothing(80))
    retrained = retrain(journal, POLICY, NOW, "tester")
    assert types(retrained) == ["ranking.trained"]
    apply_retrained(journal, retrained)
    assert current_ranking(journal, "p") is None
    assert retrain(journal, POLICY, NOW + 60.0, "tester").entries == ()


def test_training_without_promoting_leaves_the_promotion_for_later() -> None:
    journal = journal_of(told_by_errors(80))
    apply_retrained(journal, retrain(journal, POLICY, NOW, "tester", promote=False))
    assert current_ranking(journal, "p") is None
    promoted = retrain(journal, POLICY, NOW + 60.0, "tester")
    assert types(promoted) == ["ranking.promoted"]
    apply_retrained(journal, promoted)
    assert current_ranking(journal, "p") == promoted.ranking


def test_a_refused_node_keeps_the_model_that_rules_it() -> None:
    policy = policy_of(remedy("restart", "shift"), Choose("second", (do("x"), do("y"))))
    journal = journal_of(told_by_errors(80))
    first = retrain(journal, policy, NOW, "tester")
    apply_retrained(journal, first)
    for n in range(80):
        candidate, level = ("x", "y")[n % 2], (1.0, 1.0, 9.0, 9.0)[n % 4]
        works = (candidate == "x") == (level < 5)
        stream = Stream(f"j{n:03d}", START + 1e7 + 1e5 * n).confirm()
        stream.choose(candidate, {"errors": level}, node="second", eligible=("x", "y"))
        stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close()
        journal.append([Batch(stream.id, 0, stream.entries)])
    second = retrain(journal, policy, NOW, "tester", incidents_max=85)
    assert {name: node.passed for name, node in second.verdict.nodes.items()} == {"remedy": False, "second": True}
    assert second.promoted
    assert second.ranking.nodes["remedy"] == first.ranking.nodes["remedy"]
    assert set(second.ranking.nodes) == {"remedy", "second"}


def test_an_old_model_that_lacks_a_candidate_of_today_is_not_kept() -> None:
    journal = journal_of(told_by_errors(80))
    apply_retrained(journal, good())
    grown = policy_of(remedy("restart", "shift", "extra"), Choose("second", (do("x"), do("y"))))
    for n in range(80):
        candidate, level = ("x", "y")[n % 2], (1.0, 1.0, 9.0, 9.0)[n % 4]
        works = (candidate == "x") == (level < 5)
        stream = Stream(f"j{n:03d}", START + 1e7 + 1e5 * n).confirm()
        stream.choose(candidate, {"errors": level}, node="second", eligible=("x", "y"))
        stream.attempt(candidate, EFFECTIVE if works else INEFFECTIVE).close()
        journal.append([Batch(stream.id, 0, stream.entries)])
    assert set(retrain(journal, grown, NOW, "tester", incidents_max=80).ranking.nodes) == {"second"}


def test_an_empty_journal_gives_a_refusal_in_words() -> None:
    journal = MemoryJournal()
    retrained = retrain(journal, POLICY, NOW, "tester")
    assert not retrained.promoted
    assert retrained.verdict.text == "Refused: 'remedy' has 0 labelled attempts in 0 incidents, and needs 20 in 5."
    assert (retrained.ranking.nodes, retrained.ranking.incidents) == ({}, 0)


def test_young_incidents_are_waited_for() -> None:
    streams = told_by_errors(80)
    journal = journal_of(streams)
    newest = streams[-1].at
    assert retrain(journal, POLICY, newest + 1799.0, "tester").ranking.attempts == 79
    assert retrain(journal, POLICY, newest + 1800.0, "tester").ranking.attempts == 80
    assert retrain(journal, POLICY, newest, "tester", recurrence_s=0.0).ranking.attempts == 80


def test_reading_is_bounded_to_the_newest_confirmed_incidents_of_the_policy() -> None:
    streams = told_by_errors(30)
    noise = [Stream(f"q{n}", START + 2e7 + n, policy="q").confirm().close() for n in range(5)]
    flaps = [Stream(f"f{n}", START + 3e7 + n).close(Result.DISMISSED) for n in range(5)]
    journal = journal_of([*streams, *noise, *flaps])
    traced = trace_journal(journal, "p", 10)
    assert [trace.id for trace in traced] == [f"i{n:03d}" for n in range(20, 30)]
    assert trace_journal(journal, "p", 0) == []
    assert retrain(journal, POLICY, NOW, "tester", incidents_max=10).ranking.incidents == 10


def test_an_append_by_somebody_else_meanwhile_does_no_harm() -> None:
    journal = journal_of(told_by_errors(80))
    retrained = good()
    refused = e.PolicyRefused(at=NOW, file="p.yaml", problems=("p.yaml:1:1: no",))
    journal.append([Batch("policy/p", 0, [refused])])
    apply_retrained(journal, retrained)
    assert current_ranking(journal, "p") == retrained.ranking


def test_a_conflict_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(told_by_errors(80))
    retrained, read = retrain(journal, POLICY, NOW, "tester"), journal.read

    def read_and_then_overtaken(stream: str) -> list[Record]:
        records = list(read(stream))
        loaded = e.PolicyLoaded(at=NOW, policy="p", policy_hash="hash", sources={})
        journal.append([Batch(stream, None, [loaded])])
        return records

    monkeypatch.setattr(journal, "read", read_and_then_overtaken)
    with pytest.raises(JournalConflict):
        apply_retrained(journal, retrained)


def test_two_threads_train_the_same_ranking() -> None:
    journal = journal_of(told_by_errors(80))
    versions: list[str] = []
    threads = [
        threading.Thread(target=lambda: versions.append(retrain(journal, POLICY, NOW, "tester").ranking.version))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(versions) == 3
    assert len(set(versions)) == 1


def test_the_description_gives_order_evidence_and_reasons() -> None:
    ranking = good().ranking
    (node,) = describe(ranking, POLICY)
    first, second = node.rows
    assert {first.candidate, second.candidate} == {"restart", "shift"}
    assert (first.place, second.place) == (1, 2)
    assert first.probability / first.cost_s >= second.probability / second.cost_s
    assert {(row.attempts, row.successes) for row in node.rows} == {(40.0, 20.0)}
    by_name = {row.candidate: row for row in node.rows}
    (push,) = by_name["shift"].pushes
    assert (push.signal, push.odds_ratio > 1.0) == ("errors", True)
    learnt = ranking.nodes["remedy"]
    shift = learnt.places["shift"]
    columns = [feature_columns(learnt.features, {"errors": errors}) for errors in (learnt.features[0].median, push.at)]
    usual, up = (success_probabilities(learnt, each, ())[shift] for each in columns)
    assert push.odds_ratio == pytest.approx(up / (1.0 - up) / (usual / (1.0 - usual)))
    assert by_name["restart"].pushes[0].odds_ratio < 1.0
    text = str(node)
    assert text.splitlines()[0] == "remedy: order at typical signals, highest index first"
    assert [line.split(":")[1].split("/")[0] for line in text.splitlines()[1:]] == [
        f" index {row.index * 1000:.3g}" for row in node.rows
    ]
    assert first.index >= second.index
    assert "worked 20 of 40 times" in text
    assert f"with errors at {push.at:.4g} instead of {learnt.features[0].median:.4g}" in text


def test_the_description_says_where_nothing_was_learnt() -> None:
    ranking = good().ranking
    grown = policy_of(remedy("restart", "shift", "extra"), Choose("second", (do("x"), do("y"))))
    assert [str(node) for node in describe(ranking, grown)] == [
        "remedy: written order, until it is retrained: the ranking does not know 'extra'",
        "second: written order, nothing learnt",
    ]


def test_an_unknown_signal_and_an_untried_candidate_are_named() -> None:
    streams = []
    for n in range(60):
        known = n % 3 != 0
        stream = Stream(f"i{n}", START + 1e5 * n).confirm().choose("restart", {"errors": 8.0 if known else None})
        streams.append(stream.attempt("restart", EFFECTIVE if known else INEFFECTIVE).close())
    (node,) = describe(retrain(journal_of(streams), POLICY, NOW, "tester").ranking, POLICY)
    text = str(node)
    assert "with errors unknown" in text
    assert "never tried" in text


def test_rankings_survive_the_disk(tmp_path: Path) -> None:
    """What was read back compares equal, so an unchanged ranking is recognised after a restart."""
    streams = told_by_errors(80)
    journal = SqliteJournal(tmp_path / "journal.db")
    for stream in streams:
        journal.append([Batch(stream.id, 0, stream.entries)])
    first = retrain(journal, POLICY, NOW, "tester")
    apply_retrained(journal, first)
    journal.close()
    journal = SqliteJournal(tmp_path / "journal.db")
    assert current_ranking(journal, "p") == first.ranking
    assert retrain(journal, POLICY, NOW, "tester").entries == ()
    journal.close()


def test_a_person_who_decides_while_it_trains_is_not_overruled() -> None:
    journal = journal_of(told_by_errors(80))
    first = good()
    apply_retrained(journal, first)
    add = journal.append
    add([Batch(stream.id, 0, stream.entries) for stream in swapped(200, START + 1e8)])
    late = retrain(journal, POLICY, NOW + 1e8, "tester")
    assert late.promoted
    back = e.RankingRolledBack(at=NOW, version=first.ranking.version, to=None, actor="ann", why="harm")
    add([Batch("policy/p", None, [back])])
    with pytest.raises(JournalConflict, match="what rules 'p' has changed since the training began"):
        apply_retrained(journal, late)
    assert current_ranking(journal, "p") is None


def test_incidents_that_opened_during_a_drill_teach_nothing() -> None:
    streams = told_by_errors(6)
    journal = journal_of(streams)
    opened = [stream.entries[0].at for stream in streams]
    ran = e.DrillRan(at=opened[3] + 1.0, fault="auth_hung", began_at=opened[2], passed=True)
    policy = streams[0].policy
    assert [trace.id for trace in trace_journal(journal, policy, 100)] == [f"i00{n}" for n in range(6)]
    journal.append([Batch("agent", None, [ran])])
    assert [trace.id for trace in trace_journal(journal, policy, 100)] == ["i000", "i001", "i004", "i005"]
