"""The report after an incident says what the journal says, and nothing that was only known later."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from tests.unit.learn.incident_streams import INEFFECTIVE, START, Stream, do, journal_of, policy_of, remedy
from tests.unit.learn.test_learn_gate import told_by_errors

from homeostat.app.review.facts import Facts, facts_of
from homeostat.app.review.report import Report, Section, clock, duration
from homeostat.app.review.writing import review
from homeostat.learn.retrain import retrain
from homeostat.model import entries as e
from homeostat.model.errors import UsageError
from homeostat.model.feedback import Feedback
from homeostat.model.policy import Effect, Policy, Steps
from homeostat.model.ports import Batch
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus, Reason, Result
from homeostat.model.signals import Absence, Reading, Snapshot
from homeostat.model.streams import AGENT_STREAM, policy_stream
from homeostat.record.memory import MemoryJournal

POLICY = policy_of(remedy("restart", "shift"))
LONG_AFTER = START + 1e6
RECURRENCE_S = 600.0


def facts(journal: MemoryJournal, incident: str, now: float = LONG_AFTER, policy: Policy = POLICY) -> Facts:
    return facts_of(journal, incident, RECURRENCE_S, now, lambda _: policy)


def section(report: Report, title: str) -> Section:
    (found,) = [one for one in report.sections if one.title == title]
    return found


def reviewed(
    streams: Sequence[Stream], title: str, *, incident: str = "i1", now: float = LONG_AFTER, policy: Policy = POLICY
) -> Section:
    return section(review(facts(journal_of(streams), incident, now, policy)), title)


def cured(name: str, at: float, *, by: str = "restart", errors: float = 8.0) -> Stream:
    """An incident that one step cured 55 s after its confirmation; `errors` is read at the confirmation alone."""
    return seen(Stream(name, at), errors).confirm().choose(by, {"errors": 0.0}).attempt(by).close()


def seen(stream: Stream, errors: float | None, after_s: float = 0.0) -> Stream:
    reading = Reading(absence=Absence.MISSING) if errors is None else Reading(errors, stream.at)
    stream.entries.append(e.Observed(at=stream.at, snapshot=Snapshot(stream.at, {"errors": reading})))
    stream.at += after_s
    return stream


def dismissed(name: str, at: float) -> Stream:
    stream = Stream(name, at)
    stream.entries.append(e.Dismissed(at=at + 5.0, reason=Reason.CONDITION_FALSE))
    return stream.close(Result.DISMISSED, after_s=5.0)


def undo(stream: Stream, leaf: str, status: OutcomeStatus) -> Stream:
    key, undone = f"{stream.id}/{leaf}.undo/1", f"{stream.id}/{leaf}/1"
    stream.entries += [
        e.ActionIntended(
            at=stream.at,
            incident=stream.id,
            key=key,
            node=f"{leaf}.undo",
            action="put_back",
            target="svc/x",
            arguments={},
            effect=Effect.SAFE,
            number=1,
            deadline_at=stream.at + 60.0,
            undoes=undone,
        ),
        e.ActionEnded(at=stream.at + 3.0, key=key, status=status, duration_s=3.0),
        e.AttemptEnded(at=stream.at + 3.0, key=key, verdict=INEFFECTIVE, succeeded=status is OutcomeStatus.OK),
    ]
    stream.at += 3.0
    return stream


def test_two_sentences_say_what_happened_and_what_was_done() -> None:
    stream = Stream("i1").confirm().choose("restart").attempt("restart", INEFFECTIVE).choose("shift").attempt("shift")
    report = review(facts(journal_of([stream.close()]), "i1"))
    assert report.title == "Incident i1, p"
    assert report.summary == (
        "On 2023-11-14 22:13:20 UTC the trigger of p became true (errors > 5 for 10s). 2 steps ran: restart"
        " (ineffective), shift (effective); it recovered after 1m40s."
    )
    within = replace(POLICY, rto_s=90.0)
    told = review(facts(journal_of([stream]), "i1", policy=within))
    assert told.summary.endswith("it recovered after 1m40s, past its RTO of 1m30s.")
    assert told.course.moments == [(10.0, "confirmed"), (90.0, "RTO"), (100.0, "recovered")]


def test_an_incident_that_was_never_confirmed_did_nothing_and_has_nothing_to_compare() -> None:
    report = review(facts(journal_of([cured("i0", START - 100.0), dismissed("i1", START)]), "i1"))
    assert report.summary.endswith("It never held for its whole window, so nothing was done.")
    assert section(report, "Similar incidents before").rows == ()
    assert section(report, "What the ranking learnt").note == "Nothing: no candidate was picked."


def test_undos_are_among_the_steps_and_a_failed_one_is_to_be_followed_up() -> None:
    for status, left_open in ((OutcomeStatus.OK, []), (OutcomeStatus.ERROR, ["undo"])):
        stream = Stream("i1").confirm().choose("restart").attempt("restart", INEFFECTIVE)
        undo(stream, "restart", status).choose("shift").attempt("shift").close()
        report = review(facts(journal_of([stream]), "i1"))
        steps = [row[1] for row in section(report, "Steps done").rows]
        assert steps == ["restart", "restart.undo", "shift"]
        assert ", 1 undo ran; it recovered" in report.summary
        assert [bar.is_undo for bar in report.course.bars] == [False, True, False]
        assert [row[0] for row in section(report, "To follow up").rows] == left_open


def test_a_step_says_its_times_against_what_was_declared_and_learnt() -> None:
    stream = Stream("i1").confirm().choose("restart")
    decided = stream.entries[-1]
    assert isinstance(decided, e.Decided)
    options = (e.Option("restart", eligible=True, probability=0.8, cost_s=50.0, harm=0.01, propensity=1.0),)
    stream.entries[-1] = msgspec.structs.replace(decided, options=options)
    stream.attempt("restart").close()
    policy = replace(POLICY, rto_s=90.0)
    (row,) = reviewed([stream], "Steps done", policy=policy).rows
    assert row[3:] == ("ok after 5s (declared 30s)", "effective after 35s (learnt 50s)", "50%")


def test_a_step_not_done_says_why_or_why_the_step_above_it_was_not() -> None:
    policy = policy_of(remedy("restart", "shift"), Steps("later", (do("page"), do("tidy"))))
    stream = Stream("i1").confirm().choose("restart", eligible=["restart", "shift"]).attempt("restart", INEFFECTIVE)
    withheld = e.DecisionWithheld(at=stream.at, node="later", reason=Reason.PAUSED, detail="by ann")
    denied = e.ApprovalDenied(at=stream.at, node="tidy", by="bo", answer="a1")
    stream.entries += [withheld, denied]
    assert reviewed([stream.close()], "Steps not done", policy=policy).rows == (
        ("shift", "restart was chosen at remedy"),
        ("page", "later: held back: paused (by ann)"),
        ("tidy", "refused by bo"),
    )


def test_without_the_text_of_the_plan_nothing_is_said_of_the_rest_of_it() -> None:
    journal = journal_of([cured("i1", START)])
    other = replace(POLICY, hash="of another version")
    report = review(facts(journal, "i1", policy=other))
    assert "not known" in section(report, "Steps not done").note
    assert "plan" in [row[0] for row in section(report, "To follow up").rows]


def test_every_second_is_counted_once() -> None:
    stream = Stream("i1").confirm().choose("restart").attempt("restart", INEFFECTIVE, runs_s=5.0, verifies_s=30.0)
    asked = e.ApprovalRequested(
        at=stream.at, node="shift", action="shift", target="svc/shift", approvers=("ann",), requester="agent",
        expires_at=stream.at + 60.0,
    )  # fmt: skip
    stream.at += 15.0
    granted = e.ApprovalGranted(at=stream.at, node="shift", by="ann", answer="a1", expires_at=stream.at + 60.0)
    stream.entries += [asked, granted]
    stream.choose("shift").attempt("shift", runs_s=20.0, verifies_s=30.0).close(after_s=10.0)
    rows = {row[0]: row[1] for row in reviewed([stream], "Where the time went").rows}
    assert rows == {
        "confirming that it is one": "10s",
        "actions running": "25s",
        "watching whether they help": "1m",
        "waiting for a person's agreement": "15s",
        "watching that it stays well": "10s",
    }
    assert stream.at - START == 10 + 25 + 60 + 15 + 10


def test_decisions_show_what_was_not_chosen_with_its_scores_and_what_could_not_be() -> None:
    options = (
        e.Option("restart", eligible=True, probability=0.8, cost_s=200.0, harm=0.001),
        e.Option("shift", eligible=True, probability=0.3, cost_s=90.0),
        e.Option("scale", eligible=False, reason=Reason.SIGNAL_UNKNOWN),
    )
    stream = Stream("i1").confirm()
    stream.entries.append(
        e.Decided(
            at=stream.at, node="remedy", kind="choose", chosen="shift", options=options, context={"errors": 8.0},
            ranking_version="v" * 64, explored=True,
        )
    )  # fmt: skip
    (row,) = reviewed([stream], "Decisions").rows
    assert row == (
        "+10s", "remedy", "shift (30%, 1m30s), to learn of it",
        "restart (80%, 3m20s, harm 0.1%)\nsignal_unknown: scale", "ranking vvvvvvvvvvvv", "errors 8",
    )  # fmt: skip


def test_people_are_named_with_what_they_said_and_pauses_of_the_agent_are_among_it() -> None:
    stream = Stream("i1").confirm()
    stream.entries += [
        e.ApprovalRequested(
            at=stream.at, node="restart", action="restart", target="svc/restart", approvers=("ann", "bo"),
            requester="agent", expires_at=stream.at + 60.0,
        ),
        e.ApprovalDenied(at=stream.at + 4.0, node="restart", by="ann", answer="a1", note="not on a Friday"),
    ]  # fmt: skip
    stream.at += 4.0
    journal = journal_of([stream.escalate().close(Result.ESCALATED)])
    pauses = [
        e.Paused(at=START - 50.0, by="cy", answer="a2", note="moving house"),
        e.Paused(at=START + 1.0, by="di", answer="a3", policy="another"),
        e.Resumed(at=START + 2.0, by="eve", answer="a4"),
        e.Paused(at=START + 1e5, by="fay", answer="a5"),
    ]
    journal.append([Batch(AGENT_STREAM, 0, pauses)])
    rows = section(review(facts(journal, "i1")), "People").rows
    assert [(row[0], row[1]) for row in rows] == [
        ("2023-11-14 22:12:30 UTC", "cy"), ("+2s", "eve"), ("+10s", "ann, bo"), ("+14s", "ann"), ("+14s", "oncall"),
    ]  # fmt: skip
    assert rows[3][2:] == ("restart refused by ann", "not on a Friday")


def test_similar_incidents_are_earlier_ones_by_the_signals_at_confirmation() -> None:
    streams = [
        cured("far", START - 9000.0, errors=100.0),
        cured("near", START - 8000.0, errors=9.0),
        dismissed("blip", START - 7000.0),
        cured("i1", START, errors=8.0),
        cured("later", START + 9000.0, errors=8.0),
    ]
    rows = reviewed(streams, "Similar incidents before").rows
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("near", "99%", "errors: 9, here 8"),
        ("far", "0%", "errors: 100, here 8"),
    ]


def test_after_the_nearest_come_those_that_the_same_step_cured() -> None:
    near = [cured(f"near{place}", START - 9000.0 - 1000 * place, by="shift", errors=8.0) for place in range(5)]
    same = [cured(f"same{place}", START - 20000.0 - 1000 * place, errors=50.0 + place) for place in range(5)]
    other = cured("other", START - 30000.0, by="shift", errors=20.0)
    rows = reviewed([other, *reversed(same), *reversed(near), cured("i1", START)], "Similar incidents before").rows
    assert [row[0] for row in rows] == [*(f"near{place}" for place in range(5)), "same0", "same1", "same2"]
    assert [row[-1] for row in rows] == [*["shift"] * 5, *["restart (as here)"] * 3]


def test_an_unknown_signal_sets_incidents_apart_unless_it_is_unknown_in_both() -> None:
    blind, sighted = (seen(Stream(name, at), errors).confirm().close() for name, at, errors in (
        ("blind", START - 9000.0, None), ("sighted", START - 8000.0, 8.0)))  # fmt: skip
    itself = seen(Stream("i1"), None).confirm().close()
    rows = reviewed([blind, sighted, itself], "Similar incidents before").rows
    assert [(row[0], row[2]) for row in rows] == [("blind", "100%"), ("sighted", "0%")]


def test_what_came_back_is_the_next_confirmed_incident_and_turns_the_cures_label_round() -> None:
    first = cured("i1", START)
    blip = dismissed("blip", first.at + 10.0)
    again, third = cured("i2", first.at + 300.0), cured("i3", first.at + 500.0)
    streams = [first, blip, again, third]
    (row,) = reviewed(streams, "What the ranking learnt").rows
    assert row[2:4] == ("failed", "effective, but i2 followed 5m after the closing")
    assert [row[0] for row in reviewed(streams, "To follow up").rows] == ["relapse"]
    follow_ups = reviewed(streams, "To follow up", incident="i2").rows
    assert [row[1].split()[0] for row in follow_ups] == ["i3", "i1"]
    (row,) = reviewed([first, cured("i2", first.at + RECURRENCE_S + 1.0)], "What the ranking learnt").rows
    assert row[2:4] == ("worked", "effective")


@pytest.mark.parametrize(
    ("verdict", "after_escalation", "label", "why"),
    [
        (AttemptVerdict.EFFECTIVE, False, "worked", "effective"),
        (AttemptVerdict.HARMFUL, False, "failed", "harmful"),
        (AttemptVerdict.SELF_HEALED, False, "nothing", "self_healed proves nothing about it"),
        (AttemptVerdict.EFFECTIVE, True, "nothing", "effective, but people had been called: what helped then is not"),
        (None, False, "nothing", "it has no verdict yet"),
    ],
)
def test_a_label_says_why_it_is_so(
    verdict: AttemptVerdict | None, after_escalation: bool, label: str, why: str
) -> None:
    stream = Stream("i1").confirm().choose("restart")
    if after_escalation:
        stream.escalate()
    stream.attempt("restart", verdict)
    (row,) = reviewed([stream.close(Result.ESCALATED)], "What the ranking learnt").rows
    assert row[2] == label
    assert row[3].startswith(why)


def test_labels_are_called_final_only_when_the_incident_can_no_longer_come_back() -> None:
    stream = cured("i1", START)
    title = "What the ranking learnt"
    young, old = (reviewed([stream], title, now=stream.at + after_s).note for after_s in (599.0, 601.0))
    assert young.startswith("Labels are not final before")
    assert old.endswith("No ranking that this journal holds was trained on them.")
    still_open = Stream("i1").confirm().choose("restart").attempt("restart")
    assert "still open" in reviewed([still_open], title).note


def test_the_ranking_that_was_trained_first_on_its_labels_is_named_with_what_became_of_it() -> None:
    streams = told_by_errors(40)
    final_at = streams[-1].at + RECURRENCE_S
    journal = journal_of(streams)
    ranking = retrain(journal, POLICY, final_at, "tester", recurrence_s=RECURRENCE_S).ranking
    too_early, first = (
        e.RankingTrained(at=at, ranking=replace(ranking, version=version), gate="The gate's words.")
        for at, version in ((final_at - 1.0, "early" + "0" * 59), (final_at, "first" + "0" * 59))
    )
    journal.append([Batch(policy_stream("p"), 0, [too_early, first])])
    learnt = section(review(facts(journal, streams[-1].id, now=final_at + 9.0)), "What the ranking learnt")
    assert "first0000000, was trained on" in learnt.note
    assert learnt.note.endswith("It did not come to rule. The gate's words.")
    assert {row[4].split(",")[0] for row in learnt.rows} == {"ranking first0000000"}
    promoted = e.RankingPromoted(at=final_at + 1.0, version=first.ranking.version, actor="ann")
    journal.append([Batch(policy_stream("p"), 2, [promoted])])
    note = section(review(facts(journal, streams[-1].id, now=final_at + 9.0)), "What the ranking learnt").note
    assert "It came to rule at" in note


def test_a_drill_is_called_one_and_teaches_nothing() -> None:
    stream = cured("i1", START)
    journal = journal_of([stream, cured("i2", stream.at + 5.0)])
    drill = e.DrillRan(at=stream.at + 1.0, fault="pool_full", began_at=START - 5.0, passed=True)
    journal.append([Batch(AGENT_STREAM, 0, [drill])])
    report = review(facts(journal, "i1"))
    assert report.title == "Drill: incident i1, p"
    assert "in the drill pool_full" in report.summary
    assert section(report, "What the ranking learnt").note.startswith("Nothing: it was a drill")
    assert "relapse" not in [row[0] for row in section(report, "To follow up").rows]
    assert review(facts(journal, "i2")).title == "Incident i2, p"
    elsewhere = journal_of([stream])
    elsewhere.append([Batch(AGENT_STREAM, 0, [msgspec.structs.replace(drill, elsewhere=True)])])
    assert review(facts(elsewhere, "i1")).title == "Incident i1, p"


def test_what_is_left_open_is_listed() -> None:
    stream = seen(seen(Stream("i1"), 8.0), None).confirm().choose("restart").attempt("restart", AttemptVerdict.UNKNOWN)
    stream.entries.append(e.ActionInDoubt(at=stream.at, key="i1/restart/1", detail="the host went away"))
    stream.choose("shift").attempt("shift", AttemptVerdict.HARMFUL).escalate()
    rows = reviewed([stream], "To follow up").rows
    assert [row[0] for row in rows] == ["open", "escalated", "outcome", "harm", "in doubt", "missing data"]
    assert rows[-1][1] == "errors: unknown in 1 of 2 snapshots"
    assert reviewed([stream], "Steps done").note == "Harm was done, as the plan defines harm, by shift."


def test_what_the_team_said_is_shown_by_name_each_persons_newest_answer() -> None:
    journal = journal_of([cured("i1", START), cured("i2", START + 9000.0)])
    assert section(review(facts(journal, "i1")), "What the team said").note == "Nobody has answered the survey."
    said = [
        ("ann", Feedback("i1", 2, 2, 2)),
        ("bo", Feedback("i1", 5, 4, 1, note="puzzling", wrong_step="restart", missing_step="warn the bank")),
        ("ann", Feedback("i1", 4, 4, 4)),
        ("cy", Feedback("i2", 3, 3, 3)),
    ]
    answers = [
        e.FeedbackGiven(at=LONG_AFTER, by=by, answer=f"a{place}", given_at=START + place, feedback=feedback)
        for place, (by, feedback) in enumerate(said)
    ]
    journal.append([Batch(AGENT_STREAM, 0, answers)])
    assert section(review(facts(journal, "i1")), "What the team said").rows == (
        ("bo", "5 of 5", "4 of 5", "1 of 5", "restart", "warn the bank", "puzzling"),
        ("ann", "4 of 5", "4 of 5", "4 of 5", "", "", ""),
    )


def test_what_is_no_incident_is_refused() -> None:
    journal = journal_of([cured("i1", START)])
    journal.append([Batch(AGENT_STREAM, 0, [e.Resumed(at=START, by="ann", answer="a1")])])
    with pytest.raises(UsageError, match="does not begin with the opening"):
        facts(journal, AGENT_STREAM)


def test_times_are_said_to_the_second_and_the_day_only_where_it_is_another() -> None:
    assert [duration(it) for it in (None, 0.04, 4.25, 9.99, 61.4, 3600.0)] == [
        "unknown", "0s", "4s200ms", "10s", "1m1s", "1h",
    ]  # fmt: skip
    assert clock(START, START) == "22:13:20"
    assert clock(START + 86400.0, START) == "2023-11-15 22:13:20"
