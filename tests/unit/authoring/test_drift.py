"""Over real repositories: what is stale, what is not, and what cannot be told."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from homeostat.app.reviewed import with_covered_changes
from homeostat.authoring.drift import Cause, Staleness, stale_policies, warnings_of
from homeostat.authoring.git import Repository
from homeostat.authoring.reviews import Review, read_reviews, record_review
from homeostat.model.errors import PolicyError, UsageError
from homeostat.policy.lint import lint

TODAY = date(2026, 11, 27)
POLICY = """\
# What to do when pay is down.
policy: pay
owner: pay-sre
review_by: 2027-03-01  # agreed with the auditors
covers: [infra/pay/**, charts/*.yaml]
signals: {x: up}
actions: {}
trigger: {if: x < 1}
resolved: {if: x >= 1, within: 1m}
escalate: {to: me}
steps: [{manual: look, check: it answers}]
"""


def git(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def commit(folder: Path, subject: str, **files: str) -> str:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    files = {"policies__pay_dot_homeostat_dot_yaml": POLICY, "infra__pay__a_dot_tf": "a", "charts__c_dot_yaml": "c"}
    commit(folder, "Begin", **files)
    return folder


def policy_of(folder: Path) -> Path:
    return folder / "policies" / "pay.homeostat.yaml"


def look(folder: Path, today: date = TODAY) -> Staleness:
    (found,) = stale_policies([policy_of(folder)], today=today)
    return found


def causes(found: Staleness) -> list[Cause]:
    return [cause for cause, _ in found.causes]


def review(folder: Path, next_by: date | None = None, today: date = TODAY) -> Review:
    head = Repository.around(folder / "policies").head()
    looked = Review("Ann", "2026-11-27T10:00:00Z", head, "", "read: 'all' of it")
    return record_review(policy_of(folder), looked, next_by=next_by, today=today)


def test_a_policy_nobody_reviewed_is_stale(repository: Path) -> None:
    assert causes(look(repository)) == [Cause.NEVER_REVIEWED]


def test_a_reviewed_policy_is_not(repository: Path) -> None:
    review(repository)
    assert not look(repository).is_stale
    commit(repository, "Elsewhere", infra__other="x", charts__deep__d_dot_yaml="a star stops at a slash")
    assert not look(repository).is_stale


def test_commits_to_covered_files_are_listed_newest_first(repository: Path) -> None:
    review(repository)
    first = commit(repository, 'Grow; the "pool" é', infra__pay__deep__b_dot_tf="b", other="x")
    second = commit(repository, "Chart", charts__c_dot_yaml="d", infra__pay__a_dot_tf="z")
    found = look(repository)
    assert causes(found) == [Cause.COVERED_CHANGED]
    assert [(change.commit.hash, change.file) for change in found.changes] == [
        (second, "charts/c.yaml"),
        (second, "infra/pay/a.tf"),
        (first, "infra/pay/deep/b.tf"),
    ]
    assert found.changes[-1].commit.subject == 'Grow; the "pool" é'
    (warning,) = warnings_of([found])
    assert str(warning).startswith(f"{policy_of(repository)}:5:1: W240 3 covered files changed in 2 commits")
    review(repository)
    assert not look(repository).is_stale


def test_a_deleted_and_a_merged_file_count(repository: Path) -> None:
    review(repository)
    git(repository, "checkout", "-q", "-b", "side")
    (repository / "infra/pay/a.tf").unlink()
    deleted = commit(repository, "Delete")
    git(repository, "checkout", "-q", "main")
    commit(repository, "Elsewhere", other="x")
    git(repository, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    assert [change.commit.hash for change in look(repository).changes] == [deleted]


def test_strange_file_names_and_subjects_are_read_as_they_are(repository: Path) -> None:
    review(repository)
    (repository / "infra/pay/a b\nü\x01.tf").write_text("x")
    commit(repository, "x\x1f y \x1e z")
    assert [change.file for change in look(repository).changes] == ["infra/pay/a b\nü\x01.tf"]


def test_what_is_not_committed_is_told_and_does_not_count(repository: Path) -> None:
    review(repository)
    (repository / "infra/pay/a.tf").write_text("changed")
    (repository / "infra/pay/new.tf").write_text("new")
    found = look(repository)
    assert not found.is_stale
    assert found.uncommitted == ("infra/pay/a.tf", "infra/pay/new.tf")


def test_a_changed_policy_is_stale_and_a_changed_comment_is_not(repository: Path) -> None:
    review(repository)
    path = policy_of(repository)
    path.write_text(POLICY.replace("# What to do", "# What is to be done"))
    assert not look(repository).is_stale
    path.write_text(POLICY.replace("x < 1", "x < 2"))
    assert causes(look(repository)) == [Cause.POLICY_CHANGED]


def test_a_value_of_any_environment_belongs_to_what_was_reviewed(repository: Path) -> None:
    path = policy_of(repository)
    with_environments = (
        POLICY.replace("x < 1}", "x < low}")
        + "parameters: {low: {type: number}}\nenvironments: {a: {low: 1}, b: {low: 2}}\n"
    )
    path.write_text(with_environments)
    review(repository)
    assert not look(repository).is_stale
    path.write_text(with_environments.replace("b: {low: 2}", "b: {low: 3}"))
    assert causes(look(repository)) == [Cause.POLICY_CHANGED]


def test_a_review_past_due_is_stale(repository: Path) -> None:
    review(repository)
    assert causes(look(repository, date(2027, 3, 1))) == []
    assert causes(look(repository, date(2027, 3, 2))) == [Cause.REVIEW_PAST_DUE]
    with pytest.raises(UsageError, match="say --next"):
        review(repository, today=date(2027, 3, 2))
    review(repository, date(2027, 9, 1), today=date(2027, 3, 2))
    assert not look(repository, date(2027, 3, 2)).is_stale


def test_a_pattern_that_matches_nothing_watches_nothing(repository: Path) -> None:
    policy_of(repository).write_text(POLICY.replace("infra/pay/**", "./infra/pay/**, infra/pya/**"))
    review(repository)
    found = look(repository)
    assert causes(found) == [Cause.COVERS_NOTHING, Cause.COVERS_NOTHING]
    assert "patterns start at the repository's root, as in 'infra/pay/**'" in found.causes[0][1]


@pytest.mark.parametrize(
    "pattern", [":(exclude)infra/**", "-infra", "--all", "../x", "/etc/passwd", "[", "**/**/**", "a\\", "ü"]
)
def test_a_strange_pattern_is_a_pattern(repository: Path, pattern: str) -> None:
    quoted = pattern.replace("\\", "\\\\")
    policy_of(repository).write_text(POLICY.replace("infra/pay/**", f'"{quoted}"'))
    review(repository)
    commit(repository, "Change", charts__c_dot_yaml="changed", infra__pay__a_dot_tf="changed")
    assert Cause.COVERED_CHANGED in causes(look(repository))


def test_only_the_line_of_review_by_is_changed(repository: Path) -> None:
    review(repository, date(2027, 6, 1))
    text = policy_of(repository).read_text()
    assert text == POLICY.replace("2027-03-01", "2027-06-01")
    review(repository, date(2027, 7, 1))
    assert [entry.by for entry in read_reviews(repository / "policies")["pay"]] == ["Ann", "Ann"]
    assert read_reviews(repository / "policies")["pay"][0].note == "read: 'all' of it"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("review_by: '2027-03-01'", "review_by: '2027-06-01'"),
        ('review_by:   "2027-03-01" # x', 'review_by:   "2027-06-01" # x'),
    ],
)
def test_quotes_and_comments_of_the_line_stay(repository: Path, before: str, after: str) -> None:
    original = "review_by: 2027-03-01  # agreed with the auditors"
    policy_of(repository).write_text(POLICY.replace(original, before))
    review(repository, date(2027, 6, 1))
    assert policy_of(repository).read_text() == POLICY.replace(original, after)


def test_a_missing_line_is_put_below_the_owner_with_the_files_own_line_ends(repository: Path) -> None:
    text = POLICY.replace("review_by: 2027-03-01  # agreed with the auditors\n", "").replace("\n", "\r\n")
    policy_of(repository).write_bytes(text.encode())
    review(repository, date(2027, 6, 1))
    expected = text.replace("owner: pay-sre\r\n", "owner: pay-sre\r\nreview_by: 2027-06-01\r\n")
    assert policy_of(repository).read_bytes() == expected.encode()


def test_a_policy_that_is_not_written_by_lines_is_left_alone(repository: Path) -> None:
    import yaml

    flow = yaml.safe_dump(
        {key: value for key, value in yaml.safe_load(POLICY).items() if key != "review_by"},
        default_flow_style=True,
        width=10_000,
    )
    policy_of(repository).write_text(flow)
    with pytest.raises(UsageError, match="add the line review_by"):
        review(repository, date(2027, 6, 1))
    assert policy_of(repository).read_text() == flow
    assert not (repository / "policies/reviews.yaml").exists()


def test_outside_git_it_cannot_be_told(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    policy_of(tmp_path).write_text(POLICY)
    with pytest.raises(UsageError, match="is in no git repository"):
        look(tmp_path)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    git(tmp_path, "init", "-q")
    policy_of(tmp_path).write_text(POLICY)
    with pytest.raises(UsageError, match="has no commit yet"):
        review(tmp_path)


def test_without_git_it_cannot_be_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="git is not installed"):
        look(repository)


def test_a_shallow_clone_that_reaches_back_works_and_another_says_so(repository: Path, tmp_path: Path) -> None:
    review(repository)
    commit(repository, "Review")
    commit(repository, "Grow", infra__pay__a_dot_tf="b")
    for depth, name in ((3, "deep"), (1, "flat")):
        git(tmp_path, "clone", "-q", "--depth", str(depth), repository.as_uri(), name)
    assert causes(look(tmp_path / "deep")) == [Cause.COVERED_CHANGED]
    with pytest.raises(UsageError, match="shallow and does not reach back"):
        look(tmp_path / "flat")


def test_a_reviewed_commit_that_is_gone_is_told(repository: Path) -> None:
    review(repository)
    path = repository / "policies/reviews.yaml"
    head = Repository.around(repository).head()
    path.write_text(path.read_text().replace(head, "0" * 40))
    assert causes(look(repository)) == [Cause.REVIEWED_COMMIT_GONE]


def test_inside_a_hook_the_policys_own_repository_is_asked(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    review(repository)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert not look(repository).is_stale


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]\n", "reviews.yaml:1:1: E112"),
        ("pay: 5\n", "reviews.yaml:1:6: E112"),
        ("pay: []\n", "reviews.yaml:1:6: E112"),
        ("pay: [5]\n", "reviews.yaml:1:7: E112"),
        ("pay: [{by: a, at: x, commit: '', policy_hash: ''}]\n", "is not a time"),
        ("pay: [{byy: a}]\n", "E110 a review has no key 'byy'; did you mean 'by'?"),
        ("pay: [{by: a, at: '2026-01-01', commit: '--all', policy_hash: ''}]\n", "'commit' will not do: '--all'"),
        ("pay: {\n", "E101"),
    ],
)
def test_a_wrong_reviews_file_is_refused_with_its_place(repository: Path, text: str, expected: str) -> None:
    (repository / "policies/reviews.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        look(repository)
    assert expected in str(caught.value)


def test_a_wrong_policy_is_refused_with_its_place(repository: Path) -> None:
    policy_of(repository).write_text("policy: [\n")
    with pytest.raises(PolicyError, match=r"pay\.homeostat\.yaml:2:1"):
        look(repository)


def test_the_file_keeps_its_mode_and_nothing_is_left_behind(repository: Path) -> None:
    policy_of(repository).chmod(0o640)
    review(repository, date(2027, 6, 1))
    assert policy_of(repository).stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (repository / "policies").iterdir()) == ["pay.homeostat.yaml", "reviews.yaml"]


def test_git_is_there() -> None:
    assert shutil.which("git"), "these tests need git"


def test_lint_warns_of_covered_files_that_changed_since_a_review(repository: Path) -> None:
    path = policy_of(repository)

    def codes() -> list[str]:
        (report,) = with_covered_changes([lint(path, today=TODAY)], TODAY)
        return [finding.problem.code for finding in report.findings if finding.problem.code == "W240"]

    commit(repository, "Grow the pool", infra__pay__a_dot_tf="b")
    assert codes() == [], "nobody has reviewed it yet; that is for drift to say"
    review(repository)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "Review")
    assert codes() == []
    commit(repository, "Grow it again", infra__pay__a_dot_tf="c")
    assert codes() == ["W240"]
