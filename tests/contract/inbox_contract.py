"""What every implementation of `model.ports.Inbox` and of `LateOutcomes` must do. Inherit, and say how one is made."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytest

from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done
from homeostat.model.drill_entries import DrillRan
from homeostat.model.errors import UsageError
from homeostat.model.feedback import Feedback
from homeostat.model.ports import Inbox, LateOutcomes
from homeostat.model.reasons import OutcomeStatus
from homeostat.record.inbox import ANSWERS_MAX


def answer(name: str, at: float = 1.0, by: str = "ann") -> Answer:
    return Answer(id=name, kind=AnswerKind.APPROVE, by=by, at=at, incident="i", node="n", note="grün ✓ \\0 'x'")


def done(output: str = "ok\n\0") -> Done:
    return Done(OutcomeStatus.OK, 1.5, exit_code=0, output=output, output_bytes=4, output_sha256="ab", detail="d")


class InboxContract(ABC):
    """The suite for what people say."""

    @abstractmethod
    def inboxes(self) -> tuple[Inbox, Inbox]:
        """One inbox, as two agents see it."""

    @abstractmethod
    def put(self, answer: Answer) -> None:
        """Put an answer into that inbox."""

    def test_answers_stay_until_they_are_settled_oldest_first(self) -> None:
        one, other = self.inboxes()
        assert list(one.collect()) == []
        for name, at in (("b", 2.0), ("c", 1.0), ("a", 2.0)):
            self.put(answer(name, at))
        expected = [answer("c", 1.0), answer("a", 2.0), answer("b", 2.0)]
        assert list(one.collect()) == list(other.collect()) == list(one.collect()) == expected
        one.settle(["c", "b", "no-such"])
        assert list(one.collect()) == list(other.collect()) == [answer("a", 2.0)]
        other.settle(["a", "a"])
        one.settle([])
        assert list(one.collect()) == []

    def test_what_no_answer_may_say_is_refused(self) -> None:
        one, _ = self.inboxes()
        for wrong in (answer("a", by="agent"), answer("a", by="<b>"), answer("../x")):
            with pytest.raises(UsageError):
                self.put(wrong)
        assert list(one.collect()) == []

    def test_only_so_many_are_handed_over_at_once(self) -> None:
        one, _ = self.inboxes()
        for number in range(ANSWERS_MAX + 5):
            self.put(answer(f"a{number}", float(number)))
        first = one.collect()
        assert len(first) == ANSWERS_MAX
        one.settle([each.id for each in first])
        assert [each.at for each in one.collect()] == [float(ANSWERS_MAX + number) for number in range(5)]

    def test_the_kill_switch_is_heard_however_many_wait_before_it(self) -> None:
        one, _ = self.inboxes()
        for number in range(ANSWERS_MAX):
            self.put(answer(f"a{number}", float(number)))
        pause = Answer(id="p", kind=AnswerKind.PAUSE, by="ann", at=ANSWERS_MAX + 1.0)
        self.put(pause)
        assert pause in one.collect()
        assert len(one.collect()) == ANSWERS_MAX

    def test_a_drill_is_delivered_whole_and_does_not_stand_before_the_kill_switch(self) -> None:
        one, other = self.inboxes()
        ran = DrillRan(at=1.0, fault="auth_hung", began_at=0.5, passed=False, why="late", policies={"p": "h" * 64})
        drills = [Answer(f"d{n}", AnswerKind.DRILL, "ann", float(n), drill=ran) for n in range(ANSWERS_MAX)]
        for drill in drills:
            self.put(drill)
        assert list(other.collect()) == drills
        pause = Answer(id="p", kind=AnswerKind.PAUSE, by="ann", at=ANSWERS_MAX + 1.0)
        self.put(pause)
        assert pause in one.collect()

    def test_a_survey_is_delivered_whole(self) -> None:
        one, other = self.inboxes()
        said = Feedback("i", 5, 4, 3, note="well done", wrong_step="restart", missing_step="call the bank")
        survey = Answer("f", AnswerKind.FEEDBACK, "ann", 1.0, feedback=said)
        self.put(survey)
        assert list(one.collect()) == list(other.collect()) == [survey]


class LateOutcomesContract(ABC):
    """The suite for what became of actions."""

    @abstractmethod
    def late_outcomes(self) -> tuple[LateOutcomes, LateOutcomes]:
        """One store, as two agents see it."""

    def test_word_that_is_left_once_is_found_by_key(self) -> None:
        one, other = self.late_outcomes()
        assert dict(one.collect(["i/n/1"])) == {}
        one.put("i", "i/n/1", done())
        one.put("i", "i/n/1", done("another"))
        other.put("i", "i/n/2", done("second"))
        expected = {"i/n/1": done(), "i/n/2": done("second")}
        assert dict(other.collect(["i/n/1", "i/n/2", "i/n/3"])) == expected
        assert dict(one.collect(iter(["i/n/2"]))) == {"i/n/2": done("second")}
        assert dict(one.collect([])) == {}
