"""What git knows of the files a policy covers. Reads only, by argument lists, within bounded time.

A pattern is a pathspec of git, `:(top,glob)pattern` (gitglossary, "pathspec"): relative to the repository's root; `*`
and `?` stop at `/`, `**` does not; a folder's name stands for all inside it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homeostat.model.errors import UsageError
from homeostat.sense.excerpt import excerpt

TIMEOUT_S = 60.0
COMMITS_MAX = 1000
"""Of one policy; more would not be read by anybody."""

_RECORD = re.compile(r"\x1e([0-9a-f]{40,64})\x1f([^\x1f\0]*)\x1f([^\0]*)\0")
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Set inside hooks; they would make git look at another repository than the policy's."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and those of its files that were asked for. `at` is the committer's date, ISO 8601."""

    hash: str
    at: str
    subject: str
    files: tuple[str, ...]


class Repository:
    """The repository around a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Find it.

        Raises:
            UsageError: there is no git, or the folder is in no repository with a working tree.
        """
        answer = _git(folder, "rev-parse", "--show-toplevel")
        if answer.returncode != 0:
            raise UsageError(f"{folder} is in no git repository, so changes cannot be told: {_said(answer)}")
        return cls(Path(answer.stdout.rstrip("\n")))

    def head(self) -> str:
        """The hash of the commit that is checked out. Raises UsageError where there is none yet."""
        answer = _git(self.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if answer.returncode != 0:
            raise UsageError(f"{self.root}: has no commit yet")
        return answer.stdout.strip()

    def has(self, commit: str) -> bool:
        """Whether the repository holds a commit."""
        return _git(self.root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def is_shallow(self) -> bool:
        """Whether older commits were left out when it was cloned."""
        return self._ask("rev-parse", "--is-shallow-repository").strip() == "true"

    def commits_since(self, commit: str, patterns: Sequence[str]) -> list[Commit]:
        """The commits after `commit` up to the one checked out that touched a pattern, newest first."""
        # -c lists what a merge itself changed; its branches' own commits are listed for themselves.
        text = self._ask(
            "log", f"--max-count={COMMITS_MAX}", "--format=tformat:%x1e%H%x1f%cI%x1f%s", "-z", "-c", "--name-only",
            "--no-renames", f"{commit}..HEAD", "--", *(_pathspec(pattern) for pattern in patterns),
        )  # fmt: skip
        marks = list(_RECORD.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        return [_commit(mark, text[mark.end() : end]) for mark, end in zip(marks, ends, strict=False)]

    def uncommitted(self, patterns: Sequence[str]) -> list[str]:
        """Files of a pattern that are changed and not committed, sorted; new files too."""
        text = self._ask(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *map(_pathspec, patterns)
        )
        return sorted(entry[3:] for entry in text.split("\0") if entry)

    def matches_nothing(self, pattern: str) -> bool:
        """Whether no file that git knows matches a pattern."""
        return not self._ask("ls-files", "-z", "--", _pathspec(pattern))

    def _ask(self, *arguments: str) -> str:
        answer = _git(self.root, *arguments)
        if answer.returncode != 0:
            raise UsageError(f"{self.root}: git {arguments[0]} failed: {_said(answer)}")
        return answer.stdout


def _commit(mark: re.Match[str], files: str) -> Commit:
    return Commit(mark[1], mark[2], mark[3].strip(), tuple(filter(None, files.strip("\n").split("\0"))))


def _pathspec(pattern: str) -> str:
    return f":(top,glob){pattern}"


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    """The first line that git complained with."""
    lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    text = lines[0] if lines else f"it ended with {answer.returncode}"
    return excerpt(text)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", *arguments]
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed; without it nobody can say what has changed") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git {arguments[0]} took longer than {TIMEOUT_S:.0f} s in {folder}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"git {arguments[0]} cannot be run in {folder}: {error}") from None
