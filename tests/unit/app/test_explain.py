from homeostat.app.explain import _SAY, explain, render
from homeostat.app.why_nothing import why_nothing
from homeostat.model import entries as e
from homeostat.model.feedback import Feedback
from homeostat.model.policy import Effect
from homeostat.model.reasons import Reason
from homeostat.model.signals import Absence, Reading, Snapshot

SNAPSHOT = Snapshot(100.0, {"errors": Reading(0.2, 99.0), "auth_up": Reading(absence=Absence.MISSING)})
OPENED = e.Suspected(at=100.0, incident="i", policy="pay", policy_hash="h" * 64, dedup_key="pay", seed=1)


def test_every_entry_type_can_be_said() -> None:
    assert set(e.ENTRY_TYPES.values()) == set(_SAY) | {e.Observed}


def test_a_decision_tells_signals_candidates_probabilities_and_refusals() -> None:
    options = (
        e.Option(id="rollback", eligible=True, probability=0.8, cost_s=200.0, index=0.004, propensity=1.0),
        e.Option(id="shift", eligible=False, condition="room > 30%", truth=None, reason=Reason.SIGNAL_UNKNOWN),
    )
    decided = e.Decided(
        at=160.0, node="remedy", kind="choose", chosen="rollback", options=options,
        context={"errors": 0.2, "auth_up": None, "deploy_age": 12594.4}, failed=("restart",), ranking_version="v" * 64,
    )  # fmt: skip
    text = render(explain([OPENED, e.Observed(at=160.0, snapshot=SNAPSHOT), decided]))
    for expected in (
        "+60.0s  decided at remedy, next candidate by ranking: rollback (ranking vvvvvvvvvvvv)",
        "-> rollback: works with 80%, costs 200 s, index 4/1000 s; propensity 1",
        "shift: if room > 30%: unknown; refused: signal_unknown",
        "failed before in this incident: restart",
        "signals: errors 0.2, auth_up unknown, deploy_age 12594",
    ):
        assert expected in text


def test_a_choice_without_a_ranking_is_told_as_written_order() -> None:
    decided = e.Decided(at=160.0, node="remedy", kind="choose", chosen="restart", options=())
    assert "decided at remedy, next candidate in written order: restart (nothing learnt yet)" in render(
        explain([OPENED, decided])
    )


def test_a_refusal_tells_why_with_what_was_seen() -> None:
    withheld = e.DecisionWithheld(at=130.0, node="", reason=Reason.TELEMETRY_BLIND, detail="auth_up unknown")
    text = render(explain([OPENED, e.Observed(at=130.0, snapshot=SNAPSHOT), withheld]))
    assert "the whole plan held back: telemetry_blind" in text
    assert "signals: errors 0.2, auth_up unknown (missing)" in text


def test_an_action_whose_success_would_prove_nothing_says_so() -> None:
    intent = e.ActionIntended(
        at=101.0, incident="i", key="i/a/1", node="a", action="restart", target="svc/x", arguments={"by": 2},
        effect=Effect.SAFE, number=1, deadline_at=200.0, held_before=True,
    )  # fmt: skip
    assert "would prove nothing" in render(explain([OPENED, intent]))


def test_why_nothing_knows_the_four_reasons() -> None:
    started = e.AgentStarted(at=0.0, agent="a", version="1", seed=1)
    loaded = e.PolicyLoaded(at=0.0, policy="pay", policy_hash="h", sources={})
    blind = e.DecisionWithheld(
        at=5.0, node="", reason=Reason.TELEMETRY_BLIND, detail="connection refused", policy="pay"
    )
    known = e.DecisionWithheld(at=6.0, node="", reason=None, policy="pay")
    refused = e.PolicyRefused(at=7.0, file="f", problems=("f:1:1: E1 wrong",))
    stopped = e.AgentStopped(at=8.0, agent="a")
    assert why_nothing([], [], 10.0)[0] == "no agent has ever run on this journal"
    assert "nothing to do" in why_nothing([loaded], [started], 10.0)[0]
    assert "unknown for 5 s (connection refused)" in why_nothing([loaded, blind], [started], 10.0)[0]
    assert "nothing to do" in why_nothing([loaded, blind, known], [started], 10.0)[0]
    assert "f:1:1: E1 wrong" in why_nothing([loaded], [started, refused], 10.0)[0]
    assert "no agent answers" in why_nothing([loaded], [started], 10.0, "no agent answers on x")[0]
    assert "stopped 2 s ago" in why_nothing([loaded], [started, stopped], 10.0)[0]


def test_what_the_signals_said_after_doubt_is_told() -> None:
    probed = [e.ActionProbed(at=160.0, key="i/a/1", happened=happened) for happened in (True, False, None)]
    text = render(explain([OPENED, *probed]))
    assert "the signals say that the action has happened" in text
    assert "the signals say that the action has not happened" in text
    assert "the signals cannot say whether the action has happened" in text


def test_a_run_after_doubt_tells_whose_key_the_target_was_told() -> None:
    intended = e.ActionIntended(
        at=160.0, incident="i", key="i/a/2", node="a", action="page", target="svc/a", arguments={}, effect=Effect.KEYED,
        number=2, deadline_at=200.0, effect_key="i/a/1",
    )  # fmt: skip
    assert "told the target the key of the run in doubt, i/a/1" in render(explain([OPENED, intended]))


def test_a_drill_is_told_with_its_verdict() -> None:
    ran = e.DrillRan(at=160.0, fault="auth_hung", began_at=150.0, passed=False, why="2 acknowledged payments are lost")
    text = render(explain([OPENED, ran]))
    assert "drill auth_hung did not pass; nothing is learnt of its incidents" in text
    assert "2 acknowledged payments are lost" in text
    policies = {"rig-auth": "ab" * 32}
    apart = e.DrillRan(at=160.0, fault="f", began_at=1.0, passed=True, tier="local", policies=policies, elsewhere=True)
    text = render(explain([OPENED, apart]))
    assert "drill f (local) passed; its incidents are in another journal" in text
    assert "policy rig-auth version abababababab" in text


def test_a_survey_is_told_with_its_ratings_and_words() -> None:
    said = Feedback("i1", 5, 4, 3, note="went well", wrong_step="restart", missing_step="warn the bank")
    (line,) = explain([e.FeedbackGiven(at=9.0, by="dana", answer="f", given_at=8.0, feedback=said)])
    assert line.headline == "dana on incident i1: clarity 5, usability 4, confidence 3, of 5"
    assert line.details == ("went well", "wrong step: restart", "missing step: warn the bank")
