"""Who looked at a policy, when, and at which version: `reviews.yaml` beside the policies."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from homeostat.authoring.versions import read_version
from homeostat.authoring.workspace_files import read_text
from homeostat.authoring.yaml_text import comment, joined, scalar
from homeostat.model.errors import PolicyError, Problem, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.policy.fields import TEXT_MAX, shown
from homeostat.policy.sources import FolderSources, GivenSources
from homeostat.policy.yaml_tree import Data, Document, read_yaml
from homeostat.policy.yaml_tree import Path as Place

FILE_NAME = "reviews.yaml"
REVIEWS_MAX = 1000
"""Of one policy."""

_KEYS = ("by", "at", "commit", "policy_hash", "note")
_PATTERNS = {"commit": re.compile(r"[0-9a-f]{40,64}|"), "policy_hash": re.compile(r"[0-9a-f]{64}")}
_HEAD = "Written by `homeostat review-policy`, read by `homeostat drift`. The last entry of a policy counts."


@dataclass(frozen=True, slots=True)
class Review:
    """One look at a policy.

    Attributes:
        at: ISO 8601, UTC.
        commit: what was checked out; empty outside git.
        policy_hash: of the version that was looked at.
    """

    by: str
    at: str
    commit: str
    policy_hash: str
    note: str = ""


Reviews = Mapping[str, tuple[Review, ...]]
"""By policy, oldest first."""


def read_reviews(folder: Path) -> Reviews:
    """Read the reviews of a folder's policies; none where there is no file.

    Raises:
        PolicyError: the file is not what `review-policy` writes.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return {}
    document = read_yaml(read_text(path), str(path))
    problems = list(document.problems)
    data = document.data if isinstance(document.data, dict) else {}
    if not problems and document.data != data:
        message = f"a mapping of policies to lists of reviews is wanted, not {shown(document.data)}"
        problems.append(Problem(document.at(()), "E112", message))
    reviews: dict[str, tuple[Review, ...]] = {}
    for policy, entries in data.items():
        found = [_review(document, entry, (policy, place), problems) for place, entry in enumerate(_listed(entries))]
        if not isinstance(entries, list) or not 1 <= len(entries) <= REVIEWS_MAX:
            message = f"a list of 1 to {REVIEWS_MAX} reviews is wanted, not {shown(entries)}"
            problems.append(Problem(document.at((policy,)), "E112", message))
        reviews[policy] = tuple(review for review in found if review is not None)
    if problems:
        raise PolicyError(problems)
    return reviews


def _listed(entries: Data) -> list[Data]:
    return entries if isinstance(entries, list) else []


def _review(document: Document, entry: Data, path: Place, problems: list[Problem]) -> Review | None:
    if not isinstance(entry, dict):
        problems.append(Problem(document.at(path), "E112", f"a review is a mapping, not {shown(entry)}"))
        return None
    before = len(problems)
    for key in entry:
        if key not in _KEYS:
            message = f"a review has no key {shown(key)}{did_you_mean(key, _KEYS)}"
            problems.append(Problem(document.key_at((*path, key)), "E110", message))
    texts = {key: entry.get(key, "") for key in _KEYS}
    for key, value in texts.items():
        pattern = _PATTERNS.get(key)
        if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)) or (key == "by" and not value):
            problems.append(Problem(document.at((*path, key)), "E112", f"'{key}' will not do: {shown(value)}"))
    try:
        datetime.fromisoformat(str(texts["at"]))
    except ValueError:
        problems.append(Problem(document.at((*path, "at")), "E112", f"{shown(texts['at'])} is not a time"))
    return Review(**{key: str(value) for key, value in texts.items()}) if len(problems) == before else None


def reviews_text(reviews: Reviews) -> str:
    """Write the file."""
    lines = comment(_HEAD)
    for policy in sorted(reviews):
        lines.append(f"{scalar(policy)}:")
        for review in reviews[policy]:
            lines += [f"- by: {scalar(review.by)}", f'  at: "{review.at}"']
            lines += [f'  commit: "{review.commit}"', f'  policy_hash: "{review.policy_hash}"']
            lines += [f"  note: {scalar(review.note)}"] if review.note else []
    return joined(lines)


def record_review(path: Path, review_of: Review, *, next_by: date | None, today: date) -> Review:
    """Write a review down, and into the policy when the next one is due.

    Args:
        path: of the policy.
        review_of: the review; its `policy_hash` is taken from the policy as it is afterwards.
        next_by: the new `review_by`; None leaves what stands there.
        today: the day it is.

    Returns:
        The review as it was written.

    Raises:
        PolicyError: the policy cannot be loaded, or `reviews.yaml` cannot be read.
        UsageError: the next review would be due in the past, or a file cannot be written.
    """
    version = read_version(FolderSources(path.parent), path.name)
    reviews = dict(read_reviews(path.parent))
    due = next_by or version.fields.review_by
    if due is not None and due <= today:
        raise UsageError(f"{path}: the next review would be due on {due}, and today is {today}; say --next")
    if not review_of.by.strip() or len(review_of.by) > TEXT_MAX or len(review_of.note) > TEXT_MAX:
        raise UsageError(f"a reviewer's name and a note have up to {TEXT_MAX} characters, and a name at least one")
    text = version.draft.texts[path.name]
    if next_by is not None:
        text = with_review_by(text, version.draft.document, next_by)
        if not _is_due(next_by, {**version.draft.texts, path.name: text}, path.name):
            raise UsageError(f"{path}: the line of review_by cannot be changed alone; write review_by: {next_by}")
    name = version.policy.name
    review = Review(review_of.by, review_of.at, review_of.commit, version.hash, review_of.note)
    reviews[name] = (*reviews.get(name, ()), review)[-REVIEWS_MAX:]
    if next_by is not None:
        _replace(path, text)
    _replace(path.parent / FILE_NAME, reviews_text(reviews))
    return review


def _is_due(day: date, texts: Mapping[str, str], name: str) -> bool:
    """Whether a policy's text is still a policy, and is to be reviewed by that day."""
    try:
        return read_version(GivenSources(texts), name).fields.review_by == day
    except PolicyError:
        return False


def with_review_by(text: str, document: Document, due: date) -> str:
    """A policy's text with another `review_by`: only that line is changed, or a line is put below the owner's.

    Raises:
        UsageError: it is not written line by line.
    """
    lines = text.splitlines(keepends=True)
    at = document.positions.get(("review_by",))
    if at is not None:
        line = lines[at.line - 1]
        before, rest = line[: at.column - 1], line[at.column - 1 :]
        lines[at.line - 1] = before + re.sub(r"""^(["']?)[0-9-]{10}\1""", rf"\g<1>{due}\g<1>", rest, count=1)
        return "".join(lines)
    owner = document.keys[("owner",)]
    following = [key.line for path, key in document.keys.items() if len(path) == 1 and key.line > owner.line]
    if owner.column != 1 or not following:
        raise UsageError(f"{document.file}: has no review_by; add the line review_by: {due}")
    end = "\r\n" if lines[owner.line - 1].endswith("\r\n") else "\n"
    lines.insert(owner.line, f"review_by: {due}{end}")
    return "".join(lines)


def _replace(path: Path, text: str) -> None:
    """Put a text in a file's place, whole or not at all; the file keeps its mode."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error}") from error
