"""Who is held to have carried a step out, and which attempt can be read."""

from __future__ import annotations

from homeostat.decide.cross_checks import executor_of, to_cross_check
from homeostat.model.incident import Attempt, Incident, Question
from homeostat.model.policy import Effect
from homeostat.model.reasons import OutcomeStatus


def attempt(number: int = 1, *, action: str = "restart", by: str = "", ended: bool = True) -> Attempt:
    return Attempt(
        f"i/step/{number}", "step", action, "svc/pay", Effect.SAFE, number, intended_at=1.0, deadline_at=9.0, by=by,
        ended_at=2.0 if ended else None, outcome=OutcomeStatus.OK if ended else None,
    )  # fmt: skip


def incident(*attempts: Attempt, requests: dict[str, str] | None = None, question: Question | None = None) -> Incident:
    questions = {} if question is None else {"step": question}
    return Incident(
        "i", "p", "h", "p", 1, attempts={"step": attempts}, requests=requests or {}, questions=questions,
        cross_checks={"i/step/7": "oli"},
    )  # fmt: skip


def test_who_reported_requested_or_agreed_carried_a_step_out_and_otherwise_the_agent() -> None:
    agreed = Question(("dba",), "agent", 9.0, granted=True, answer="a", granted_by="eli")
    one = attempt()
    assert executor_of(incident(one), one) == "agent"
    assert executor_of(incident(one, question=agreed), one) == "eli"
    assert executor_of(incident(one, requests={"step": "dana"}, question=agreed), one) == "dana"
    by_hand = attempt(action="manual", by="sam")
    assert executor_of(incident(by_hand, requests={"step": "dana"}), by_hand) == "sam"


def test_a_manual_step_of_which_the_journal_does_not_say_who_did_it_has_no_executor() -> None:
    unknown = attempt(action="manual")
    assert executor_of(incident(unknown, requests={"step": "dana"}), unknown) is None


def test_the_last_attempt_can_be_read_once_it_was_carried_out_and_only_once() -> None:
    first, second = attempt(1), attempt(2)
    assert to_cross_check(incident(), "step") is None
    assert to_cross_check(incident(), "other") is None
    assert to_cross_check(incident(first, second), "step") is second
    assert to_cross_check(incident(first, attempt(2, ended=False)), "step") is None
    assert to_cross_check(incident(attempt(7)), "step") is None
