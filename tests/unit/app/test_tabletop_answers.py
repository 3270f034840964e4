"""What a tabletop comes to, what people may answer, and that the journal can take it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.unit.simulate.bench_texts import suite_in

from homeostat.app.explain import explain, render
from homeostat.app.tabletop import COMMENT_MAX, Tabletop
from homeostat.app.tabletop_answers import parse_comment, parse_picks, read_answers
from homeostat.decide.answers import sort_answers
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.drill_entries import DrillRan, TabletopAnswer, TabletopVerdict
from homeostat.model.errors import PolicyError, UsageError
from homeostat.record.codec import Codec
from homeostat.record.inbox import FolderInbox, check, put
from homeostat.simulate.bench.case import run_case
from homeostat.simulate.tabletop import scenario_of

STEPS = ("again", "back")
RIGHT = (["nothing"], ["again"], ["back"])


def table_at(folder: Path, test: str = "signals: {phase: new}, after: {back: {errors: 0%}}") -> Tabletop:
    suite = suite_in(folder, f"- {{name: t, expect: [{{result: none}}], {test}}}\n", head="interval: 30s\n")
    course = run_case(suite.cases[0])
    scenario = scenario_of("t", suite.cases[0].policy, next(iter(course.streams().values())))
    return Tabletop(scenario, ("anna", "ben"), 1000.0)


def sat(folder: Path, *picked: list[str], took_s: float = 10.0) -> Tabletop:
    table = table_at(folder)
    for picks in picked:
        table.take(picks, took_s)
    return table


def test_a_tabletop_of_right_answers_is_passed_and_adds_the_time_of_thought(tmp_path: Path) -> None:
    table = sat(tmp_path, *RIGHT)
    assert list(table.shortcomings()) == []
    assert table.whole_s == 360.0 + 30.0
    assert table.thought_s() == (10.0, 10.0)


@pytest.mark.parametrize(
    ("picked", "took_s", "why"),
    [
        (RIGHT[:2], 1.0, "interrupted after 2 of 3 questions"),
        ((["nothing"], ["again"], ["again"]), 1.0, "forbidden steps were picked once; 2 of 3 answers agree"),
        ((["again"], ["again"], ["back"]), 1.0, "2 of 3 answers agree with the policy; 80% are wanted"),
        (RIGHT, 481.0, "it takes 30m3s, and the rto is 30m"),
    ],
)
def test_what_keeps_a_tabletop_from_passing(
    tmp_path: Path, picked: tuple[list[str], ...], took_s: float, why: str
) -> None:
    table = sat(tmp_path, *picked, took_s=took_s)
    assert "; ".join(table.shortcomings()).startswith(why)
    ran = table.entry(2000.0)
    assert not ran.passed
    assert ran.why.startswith(why)


def test_four_of_five_answers_that_agree_are_enough(tmp_path: Path) -> None:
    table = table_at(tmp_path)
    table.scenario = replace(table.scenario, questions=table.scenario.questions[:1] * 5)
    for picked in (["again"], *(["nothing"],) * 4):
        table.take(picked, 1.0)
    assert list(table.shortcomings()) == []


def test_thinking_up_to_the_rto_is_in_time(tmp_path: Path) -> None:
    assert list(sat(tmp_path, *RIGHT, took_s=480.0).shortcomings()) == []


def test_the_entry_says_who_sat_there_and_what_they_answered_and_teaches_nothing(tmp_path: Path) -> None:
    table = sat(tmp_path, *RIGHT[:2])
    table.take(["back", "back"], 5.04)
    table.comment("which release?")
    ran = table.entry(2000.0)
    assert (ran.fault, ran.tier, ran.people, ran.passed, ran.elsewhere) == (
        "t", "tabletop", ("anna", "ben"), True, True,
    )  # fmt: skip
    assert ran.policies == {"p": table.scenario.policy.hash}
    expected = TabletopAnswer(210.0, ("back",), ("back",), TabletopVerdict.AGREES, 5.0, "which release?")
    assert ran.answers[-1] == expected
    codec = Codec()
    encoded = codec.encode(ran)
    assert codec.decode(encoded.type, encoded.v, encoded.body) == ran
    text = render(explain([ran]))
    assert "tabletop 't' with anna, ben passed" in text
    assert "+210 s, after 5 s: back where the policy has back: agrees (which release?)" in text


def test_a_drill_as_an_older_release_wrote_it_has_no_answers() -> None:
    body = b'{"at":9.0,"fault":"f","began_at":5.0,"passed":true,"why":"","tier":"local","policies":{},"elsewhere":true,'
    ran = Codec().decode("drill.ran", 2, body + b'"answer":null}')
    assert ran == DrillRan(at=9.0, fault="f", began_at=5.0, passed=True, tier="local", elsewhere=True)


def test_a_running_agent_journals_all_of_it(tmp_path: Path) -> None:
    ran = sat(tmp_path, *RIGHT).entry(2000.0)
    said = Answer("a", AnswerKind.DRILL, "anna", 1.0, drill=ran)
    (journalled,) = sort_answers([said], frozenset(), frozenset(), 2000.0).said
    assert journalled == msgspec.structs.replace(ran, answer="a")


def test_the_largest_tabletop_there_can_be_goes_through_the_inbox(tmp_path: Path) -> None:
    table = table_at(tmp_path)
    steps = tuple(f"{number}{'n' * 200}" for number in range(30))
    answer = TabletopAnswer(0.0, steps, steps, TabletopVerdict.DIFFERS, 1.0, "\N{GRINNING FACE}" * COMMENT_MAX)
    table.answers += [answer] * 12
    table.people = tuple(f"{number}{'p' * 63}" for number in range(10))
    ran = table.entry(2000.0)
    put(tmp_path / "inbox", Answer("a", AnswerKind.DRILL, "anna", 1.0, drill=ran))
    failures: list[str] = []
    (heard,) = FolderInbox(tmp_path / "inbox", lambda what, error: failures.append(f"{what}: {error}")).collect()
    assert failures == []
    assert heard.drill == ran
    assert len(ran.answers) == 12
    assert ran.answers[0].picked[-1] == "and 27 more"


@pytest.mark.parametrize(
    "changes",
    [
        {"people": ("a",) * 11},
        {"people": ("agent",)},
        {"answers": (TabletopAnswer(0.0, (), (), TabletopVerdict.AGREES, 1.0),) * 13},
        {"answers": (TabletopAnswer(0.0, ("s",) * 5, (), TabletopVerdict.AGREES, 1.0),)},
        {"answers": (TabletopAnswer(0.0, (), ("two\nlines",), TabletopVerdict.AGREES, 1.0),)},
        {"answers": (TabletopAnswer(0.0, (), (), TabletopVerdict.AGREES, 1.0, "\x1b[31m"),)},
    ],
)
def test_what_no_tabletop_may_say_is_refused_by_the_inbox(changes: dict[str, object]) -> None:
    ran = DrillRan(at=1.0, fault="t", began_at=0.0, passed=True, tier="tabletop")
    check(Answer("a", AnswerKind.DRILL, "anna", 1.0, drill=ran))
    with pytest.raises(UsageError):
        check(Answer("a", AnswerKind.DRILL, "anna", 1.0, drill=msgspec.structs.replace(ran, **changes)))


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("again", ("again",)),
        ("2, again", ("back", "again")),
        (" n ", ("nothing",)),
        ("escalate", ("escalate",)),
        ("o", ("other",)),
        ("1,1", ("again",)),
    ],
)
def test_an_answer_is_read(text: str, picked: tuple[str, ...]) -> None:
    assert parse_picks(text, STEPS) == picked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (",", "an answer is wanted"),
        ("agan", "did you mean 'again'"),
        ("0", "no step is called '0'"),
        ("3", "no step is called '3'"),
        ("n, 1", "stand by themselves"),
        ("\u00b2", "no step is called"),
    ],
)
def test_what_is_no_answer_is_told_with_the_nearest(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_picks(text, STEPS)


def test_a_comment_has_its_bound() -> None:
    assert parse_comment(f"  {'c' * COMMENT_MAX} ") == "c" * COMMENT_MAX
    for text in ("c" * (COMMENT_MAX + 1), "a\x07b"):
        with pytest.raises(ValueError, match="200 printable characters"):
            parse_comment(text)


def test_a_file_of_answers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text('[{"do": "nothing"}, {"do": ["again", "back"], "took": "1m30s", "comment": "why?"}]')
    first, second = read_answers(path, STEPS, 2)
    assert (first.picked, first.took_s, first.comment) == (("nothing",), 0.0, "")
    assert (second.picked, second.took_s, second.comment) == (STEPS, 90.0, "why?")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("- {do: agan}\n- {do: back}", "a.yaml:1:8: E112 no step is called 'agan'; did you mean 'again'?"),
        ("- {do: again}\n- {do: [nothing, back]}", "a.yaml:2:8: E112 nothing, escalate, other stand by themselves"),
        ("- {do: again}\n- {took: 1s}", "a.yaml:2:3: E111 the key 'do' is missing"),
        ("- {do: again, took: soon}\n- {do: back}", "a.yaml:1:21: E113 'soon' is not a duration"),
        ("- {do: again, comment: 3}\n- {do: back}", "a.yaml:1:24: E112 a comment is text, not 3; put it in quotes"),
        (f"- {{do: again, comment: {'c' * 201}}}\n- {{do: back}}", "a.yaml:1:24: E112 at most 200 printable"),
        ("- {do: again}", "a.yaml:1:1: E112 1 answers are given, and 2 questions are asked"),
        ("- {do: again}\n- {do: back}\n- {do: back}", "a.yaml:3:3: E112 3 answers are given"),
        ("do: again", "a.yaml:1:1: E112 a list of answers is wanted"),
        ("- {do: again", "a.yaml:2:1: E101 not YAML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_at_its_place(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(PolicyError) as refused:
        read_answers(tmp_path / "a.yaml", STEPS, 2)
    assert where in str(refused.value)
    with pytest.raises(PolicyError, match=r"none\.yaml"):
        read_answers(tmp_path / "none.yaml", STEPS, 2)
