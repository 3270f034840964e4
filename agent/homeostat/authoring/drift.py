"""Which policies have grown old: against the systems they cover, against their own review, or against the calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from homeostat.authoring.git import Commit, Repository
from homeostat.authoring.reviews import Review, read_reviews
from homeostat.authoring.versions import Version, read_version
from homeostat.model.errors import PolicyError, Problem, UsageError
from homeostat.policy.load import Draft
from homeostat.policy.sources import FolderSources

_FROM_ELSEWHERE = re.compile(r"^(?:\.{0,2}/)+")


class Cause(StrEnum):
    """Why a policy wants a review."""

    NEVER_REVIEWED = "never_reviewed"
    REVIEW_PAST_DUE = "review_past_due"
    POLICY_CHANGED = "policy_changed"
    COVERED_CHANGED = "covered_changed"
    COVERS_NOTHING = "covers_nothing"
    REVIEWED_COMMIT_GONE = "reviewed_commit_gone"


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that touched one covered file."""

    commit: Commit
    file: str


@dataclass(frozen=True, slots=True)
class Staleness:
    """What was found of one policy. It is stale when there is any cause.

    Attributes:
        path: of its file.
        causes: why, each with a sentence for people.
        changes: covered files that changed since the last review, newest first.
        uncommitted: covered files changed in the working tree; they do not count, and are told.
        review: the last one.
        draft: the policy as it was read, so that its file's positions are at hand.
    """

    policy: str
    path: Path
    causes: tuple[tuple[Cause, str], ...] = ()
    changes: tuple[Change, ...] = ()
    uncommitted: tuple[str, ...] = ()
    review: Review | None = None
    draft: Draft | None = field(default=None, compare=False, repr=False)

    @property
    def is_stale(self) -> bool:
        """Whether anything calls for a review."""
        return bool(self.causes)


def stale_policies(paths: Sequence[Path], *, today: date) -> list[Staleness]:
    """Look at policies and at the git history of what they cover. Those that are in order are listed too.

    Args:
        paths: of policy files.
        today: the day that `review_by` is held against.

    Raises:
        PolicyError: a policy or `reviews.yaml` cannot be read.
        UsageError: it is no git repository, or a shallow clone that does not reach back to a review.
    """
    problems: list[Problem] = []
    found: list[Staleness] = []
    repositories: dict[Path, Repository] = {}
    for path in paths:
        try:
            version = read_version(FolderSources(path.parent), path.name)
        except PolicyError as error:
            problems += error.problems
            continue
        reviews = read_reviews(path.parent).get(version.policy.name, ())
        if path.parent not in repositories:
            repositories[path.parent] = Repository.around(path.parent)
        found.append(_staleness(path, version, reviews[-1] if reviews else None, repositories[path.parent], today))
    if problems:
        raise PolicyError(list(dict.fromkeys(problems)))
    return found


def warnings_of(found: Sequence[Staleness]) -> list[Problem]:
    """What `lint` may say of covered files that changed: W240, at `covers`."""
    return [
        Problem(one.draft.document.key_at(("covers",)), "W240", sentence)
        for one in found
        for cause, sentence in one.causes
        if cause is Cause.COVERED_CHANGED and one.draft is not None
    ]


def _staleness(path: Path, version: Version, review: Review | None, repository: Repository, today: date) -> Staleness:
    policy, fields, draft = version.policy, version.fields, version.draft
    causes: list[tuple[Cause, str]] = []
    if review is None:
        causes.append(
            (Cause.NEVER_REVIEWED, f"nobody has reviewed it; homeostat review-policy {policy.name} --by NAME")
        )
    elif review.policy_hash != version.hash:
        causes.append(
            (Cause.POLICY_CHANGED, f"it, or what it uses, is not what {review.by} reviewed on {review.at[:10]}")
        )
    if fields.review_by is not None and fields.review_by < today:
        causes.append((Cause.REVIEW_PAST_DUE, f"its review was due on {fields.review_by}; today is {today}"))
    commits = _commits(draft, fields.covers, review, repository, causes)
    changes = tuple(Change(commit, file) for commit in commits for file in commit.files)
    if changes:
        files = len({change.file for change in changes})
        sentence = (
            f"{_counted(files, 'covered file')} changed in {_counted(len(commits), 'commit')} since the last review"
        )
        causes.append((Cause.COVERED_CHANGED, sentence))
    changed_now = {commit_file.file for commit_file in changes}
    causes += [
        (Cause.COVERS_NOTHING, f"'{pattern}' matches no file{_hint(pattern)}; what it was to watch goes unwatched")
        for pattern in fields.covers
        if not changed_now and repository.matches_nothing(pattern)
    ]
    uncommitted = tuple(repository.uncommitted(fields.covers)) if fields.covers else ()
    return Staleness(policy.name, path, tuple(causes), changes, uncommitted, review, draft)


def _commits(
    draft: Draft,
    covers: Sequence[str],
    review: Review | None,
    repository: Repository,
    causes: list[tuple[Cause, str]],
) -> list[Commit]:
    if review is None or not covers:
        return []
    if not review.commit:
        causes.append((Cause.REVIEWED_COMMIT_GONE, f"the review of {review.at[:10]} was made outside git"))
        return []
    if repository.has(review.commit):
        return repository.commits_since(review.commit, covers)
    if repository.is_shallow():
        raise UsageError(
            f"{draft.document.file}: this clone is shallow and does not reach back to {review.commit[:12]}, where it"
            " was reviewed; fetch the whole history (git fetch --unshallow; in GitHub Actions: fetch-depth: 0)"
        )
    sentence = f"the reviewed commit {review.commit[:12]} is not in this repository (rebased, or not pushed)"
    causes.append((Cause.REVIEWED_COMMIT_GONE, sentence))
    return []


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _hint(pattern: str) -> str:
    """A pattern is relative to the repository's root; what leads elsewhere is the usual mistake."""
    plain = _FROM_ELSEWHERE.sub("", pattern)
    return f"; patterns start at the repository's root, as in '{plain}'" if plain and plain != pattern else ""
