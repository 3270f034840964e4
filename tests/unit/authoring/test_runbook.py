from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeostat.authoring.markdown_blocks import Code
from homeostat.authoring.runbook import read_runbook
from homeostat.authoring.runbook_policy import commands_in, policy_of_runbook
from homeostat.authoring.workspace_files import put
from homeostat.model.errors import PolicyError
from homeostat.model.policy import Policy
from homeostat.policy.lint import lint
from homeostat.policy.load import load_policy_sources

PLACEHOLDER = "PLACEHOLDER: say what shows that this is done"
RUNBOOK = """\
# Restore the shop database

Owner: shop-sre

Use this when the checkout is down. See [the wiki](https://wiki.example/shop).

## Steps

1. Take the shop out of the load balancer (Network team)
   ```sh
   $ lbctl drain shop
   ```
   - Tell the call centre
   - Verify that no requests arrive
2. **Restore** the latest backup (DBA)
   1. Stop the app @shop-sre
   2. Run the restore
      ```
      pg_restore -d shop /backup/latest | tee log
      ```
      Expected: exit code 0
   - Check that `select 1` answers
3. If the restore fails, then call the vendor

Some remark between.

- [ ] Start the app
- [x] Check that the app answers
"""


def imported(text: str, name: str = "") -> str:
    (policy,) = policy_of_runbook(read_runbook(text, "rb.md"), source="rb.md", name=name).files.values()
    return policy


def loaded(text: str) -> Policy:
    return load_policy_sources({"p.homeostat.yaml": imported(text)}, "p.homeostat.yaml")


def manual(policy: Policy) -> list[tuple[str, str, str]]:
    keys = ("instructions", "owner", "check")
    return [tuple(str(leaf.action.parameters[key]) for key in keys) for leaf in policy.leaves.values()]  # type: ignore[misc] # three keys


def test_a_runbook_becomes_manual_steps_in_its_order() -> None:
    policy = loaded(RUNBOOK)
    assert (policy.name, policy.owner) == ("restore-the-shop-database", "shop-sre")
    assert manual(policy) == [
        (
            "Take the shop out of the load balancer\n$ lbctl drain shop\n- Tell the call centre",
            "Network team",
            "Verify that no requests arrive",
        ),
        (
            "Restore the latest backup: Stop the app @shop-sre",
            "shop-sre",
            PLACEHOLDER,
        ),
        (
            "Restore the latest backup: Run the restore\npg_restore -d shop /backup/latest | tee log",
            "DBA",
            "Expected: exit code 0",
        ),
        ("Restore the latest backup: Check that `select 1` answers", "DBA", "Check that `select 1` answers"),
        (
            "If the restore fails, then call the vendor",
            "shop-sre",
            PLACEHOLDER,
        ),
        ("Start the app", "shop-sre", PLACEHOLDER),
        ("Check that the app answers", "shop-sre", "Check that the app answers"),
    ]


def test_code_is_kept_as_text_and_offered_as_an_action_in_a_comment() -> None:
    text = imported(RUNBOOK)
    assert '# As an action: {actuator: command, argv: ["lbctl", "drain", "shop"]}' in text
    assert "# As an action: put the code into a script of its own" in text
    assert "# A branch? Once a signal tells it" in text
    assert "# rb.md:25: Some remark between." in text
    assert {leaf.action.actuator for leaf in loaded(RUNBOOK).leaves.values()} == {"manual"}


def test_it_starts_nothing_and_closes_nothing_until_the_placeholders_go(tmp_path: Path) -> None:
    policy = loaded(RUNBOOK)
    zeros: dict[str, float | str | None] = {"runbook_wanted": 0.0, "recovered": 0.0}
    assert {spec.expr for spec in policy.signals.values()} == {"vector(0)"}
    assert policy.trigger.condition.evaluate(zeros) is False
    assert policy.resolved.condition.evaluate(zeros) is False
    (path,) = put({"p.homeostat.yaml": imported(RUNBOOK)}, tmp_path)
    report = lint(path, today=date(2026, 11, 27))
    assert report.findings == ()


def test_headings_can_be_steps() -> None:
    first = "# T\n\n## Step 1: Isolate\n\nDrain it.\n\n```\nlb drain\n```\n\n"
    text = f"{first}## 2. Restore\n\nOwner: DBA\n\nCheck that it answers.\n\n## Notes\n\nbye\n"
    assert [(first, owner) for first, owner, _ in manual(loaded(text))] == [
        ("Isolate\nDrain it.\nlb drain", "oncall"),
        ("Restore", "DBA"),
    ]


def test_plain_bullets_are_steps_only_where_nothing_else_is() -> None:
    assert len(loaded("- one\n- two\n").leaves) == 2
    assert len(loaded("- a remark\n\n1. the step\n").leaves) == 1


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        ("1. Restore (DBA)", "DBA"),
        ("1. Restore (Network team).", "Network team"),
        ("1. Restore @dba now", "dba"),
        ("1. Restore (owner: DBA)", "DBA"),
        ("1. Restore\n   owner: night shift", "night shift"),
        ("1. Restore (optional)", "oncall"),
        ("1. Mail to ann@example.com", "oncall"),
        ("1. Pull img@sha256", "oncall"),
    ],
)
def test_owners(line: str, owner: str) -> None:
    assert manual(loaded(line + "\n"))[0][1] == owner


def test_what_is_too_long_is_cut_and_says_where_it_goes_on() -> None:
    written = policy_of_runbook(read_runbook("1. " + "word " * 400 + "\n", "rb.md"), source="rb.md")
    assert any("was cut" in note for note in written.notes)
    policy = load_policy_sources({"p.homeostat.yaml": next(iter(written.files.values()))}, "p.homeostat.yaml")
    assert manual(policy)[0][0].endswith("... (goes on in rb.md, line 1)")


def test_only_plain_commands_are_offered() -> None:
    code = Code(1, "$ systemctl restart x\nfoo | bar\nX=1 y\nrm -rf $HOME\necho 'a b'\n# note\n'open\n\n", "bash")
    assert commands_in(code) == [["systemctl", "restart", "x"], ["echo", "a b"]]
    assert commands_in(Code(1, "select 1", "sql")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "rb.md:1:1: E111 no steps were found"),
        ("just text\n", "rb.md:1:1: E111 no steps were found"),
        ("x" * 300_000, "rb.md:1:1: E100"),
        ("1. x\n" * 2500, "E152"),
        ("1.\n2.\n", "E111"),
        ("1. ```\n", "E111"),
    ],
)
def test_what_is_no_runbook_is_refused(text: str, expected: str) -> None:
    with pytest.raises(PolicyError) as caught:
        imported(text)
    assert expected in str(caught.value)


pieces = st.sampled_from(
    [
        "1. ",
        "- ",
        "- [ ] ",
        "* ",
        "   ",
        "\n",
        "\n\n",
        "# ",
        "## Step 1: ",
        "```\n",
        "~~~sh\n",
        "> ",
        "    ",
        "\t",
        "(DBA)",
        "@ann ",
        "verify ",
        "if ",
        "owner: ",
        "[a](b)",
        "**",
        "plan",
        "escalate",
        "<b>",
        "\x00",
        "\r",
        "é",
        "\u2028",
        "null",
        "true",
        "12",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=40).map("".join))
def test_any_text_gives_a_policy_or_a_place(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mutated_runbook_gives_a_policy_or_a_place(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RUNBOOK)))
    end = data.draw(st.integers(start, min(start + 30, len(RUNBOOK))))
    check(RUNBOOK[:start] + data.draw(st.text(max_size=20)) + RUNBOOK[end:])


def check(text: str) -> None:
    try:
        policy = loaded(text)
    except PolicyError as error:
        problems, steps = error.problems, 1
    else:
        problems, steps = [], len(policy.leaves)
    assert steps >= 1
    assert all(problem.position.file == "rb.md" for problem in problems)


HUGE = [
    "[" * 200_000,
    "- " * 100_000 + "x",
    "*" * 200_000,
    "1. a\n" * 500,
    "1. " + "((" * 90_000,
    "1. " + " (" * 90_000,
]


@pytest.mark.parametrize(
    "text", [*HUGE, "> " * 100_000, "1. " + "verify " * 30_000], ids=[str(number) for number in range(8)]
)
def test_huge_input_does_not_hang(text: str) -> None:
    check(text)
