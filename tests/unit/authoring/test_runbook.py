from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
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
        ("Check that the app answers", "shop-sre", PLACEHOLDER),
    ]


def test_code_is_kept_as_text_and_offered_as_an_action_in_a_comment() -> None:
    text = imported(RUNBOOK)
    assert '# As an action: {actuator: command, argv: ["lbctl", "drain", "shop"]}' in text
    assert "# As an action: put the code into a script of its own" in text
    assert "# A branch? Once a signal tells it" not in text
    assert "# A branch? Once a signal tells it" in imported("1. If the disk is full, delete old logs\n")
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


ASIDES = [
    ("## Rollback", "Rollback"),
    ("## 3. Rollback plan:", "3. Rollback plan:"),
    ("## Database rollback", "Database rollback"),
    ("## Back out (if needed)", "Back out (if needed)"),
    ("## Undo the change", "Undo the change"),
    ("## Revert", "Revert"),
    ("## If it fails", "If it fails"),
    ("**Rollback:**", "Rollback:"),
    ("If this does not work:", "If this does not work:"),
]


@pytest.mark.parametrize(("heading", "title"), ASIDES)
@pytest.mark.parametrize("steps", ["1. Drain it\n2. Promote it\n", "- Drain it\n- Promote it\n"])
def test_a_part_for_a_failure_is_no_step(heading: str, title: str, steps: str) -> None:
    text = f"# Promote\n\n## Do\n\n{steps}\n{heading}\n\n1. Demote it\n   ```\n   demote now\n   ```\n"
    written = policy_of_runbook(read_runbook(text, "rb.md"), source="rb.md")
    (policy,) = written.files.values()
    assert [first for first, _, _ in manual(loaded(text))] == ["Drain it", "Promote it"]
    assert "# rb.md:10: Demote it" in policy
    assert "demote now" in policy
    assert any(note.startswith(f"rb.md:8:1: '{title}' is only for a failure") for note in written.notes)


def test_a_rollback_inside_a_step_is_no_step_and_the_next_step_is_one() -> None:
    text = "## Step 1: Promote\n\n1. Stop writes\n\n### Rollback\n\n1. Demote\n\n## Step 2: Open it\n\nNow.\n"
    assert [first for first, _, _ in manual(loaded(text))] == ["Promote: Stop writes", "Open it\nNow."]
    item = "1. Promote\n2. Rollback\n   1. Demote\n3. Open it\n"
    assert [first for first, _, _ in manual(loaded(item))] == ["Promote", "Open it"]


def test_a_step_that_rolls_back_is_one_and_so_is_a_runbook_about_it() -> None:
    assert manual(loaded("1. Roll back the release\n2. Open it\n"))[0][0] == "Roll back the release"
    about = "# Roll back a release\n\n## Rollback\n\n1. Pick the last good one\n"
    assert [first for first, _, _ in manual(loaded(about))] == ["Pick the last good one"]
    with pytest.raises(
        PolicyError, match=r"rb\.md:3:1: E111 all that could be steps is for a failure, below 'Rollback'"
    ):
        imported("# Promote\n\n## Rollback\n\n1. Demote\n")


def test_a_step_for_a_failure_is_the_fallback_of_the_one_before() -> None:
    text = (
        "1. Restore the backup\n2. If the restore fails, call the vendor\n3. If that fails too, call Ann\n4. Open it\n"
    )
    restore, opened = yaml.safe_load(imported(text))["steps"]
    assert [restore["id"], restore["fallback"]["id"], restore["fallback"]["fallback"]["id"], opened["id"]] == [
        "restore-the-backup",
        "if-the-restore-fails-call-the-vendor",
        "if-that-fails-too-call-ann",
        "open-it",
    ]
    nested = "1. Restore\n   1. a\n   2. b\n2. If it does not work:\n   1. call\n   2. wait\n"
    (group,) = yaml.safe_load(imported(nested))["steps"]
    assert [step["id"] for step in group["fallback"]["steps"]] == ["call", "wait"]


def test_deeply_nested_fallbacks_load() -> None:
    text = "".join(f"{'   ' * depth}1. a\n{'   ' * depth}2. If it fails:\n" for depth in range(18))
    check(text + "   " * 18 + "1. end\n")


@pytest.mark.parametrize(
    "line",
    [
        "If any of the above fails, call the vendor",
        "If the switch fails, call the vendor",
        "If step 1 fails, call the vendor",
        "If it fails, call the vendor. Otherwise open it",
        "When the restore fails, call the vendor",
    ],
)
def test_a_step_for_a_failure_that_is_not_certain_is_a_comment_and_a_note(line: str) -> None:
    text = f"1. Restore the backup\n2. {line}\n3. Open it\n"
    written = policy_of_runbook(read_runbook(text, "rb.md"), source="rb.md")
    (policy,) = written.files.values()
    assert [first for first, _, _ in manual(loaded(text))] == ["Restore the backup", "Open it"]
    assert f"# rb.md:2: {line}\n# Only for a failure, and so no step here: write it as the `fallback`" in policy
    assert any(note.startswith("rb.md:2:1:") for note in written.notes)


@pytest.mark.parametrize("line", ["If the primary fails over, wait", "If it did not fail, open it"])
def test_other_conditions_stay_steps(line: str) -> None:
    assert [first for first, _, _ in manual(loaded(f"1. Look\n2. {line}\n"))] == ["Look", line]


def test_fallbacks_of_fallbacks_are_bounded() -> None:
    text = "1. Restore\n" + "2. If that fails, try again\n" * 20
    assert len(loaded(text).leaves) == 4


def test_a_title_is_not_its_own_check_but_an_expectation_is() -> None:
    text = "Contact @redis-team\n\n1. Check it is really down\n   redis-cli ping\n   Expect PONG within 1s\n"
    assert manual(loaded(text)) == [
        ("Check it is really down\nredis-cli ping", "redis-team", "Expect PONG within 1s"),
    ]


def test_whom_to_contact_stays_among_the_instructions() -> None:
    text = "1. Promote it\n   - Contact @redis-team before you begin\n"
    assert manual(loaded(text))[0][:2] == ("Promote it\n- Contact @redis-team before you begin", "redis-team")


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
        ("Contact: @night-shift\n\n1. Restore", "night-shift"),
        ("1. Restore\n\nSome text.\n\nContact @dba for help", "dba"),
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
