"""A policy as it was: files of an earlier git revision, and what is different now."""

from __future__ import annotations

import subprocess
from pathlib import Path

from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.policy import Policy
from homeostat.policy.changes import changes_by_environment
from homeostat.policy.changes_of_guards import guard_changes
from homeostat.policy.changes_of_steps import Change
from homeostat.policy.guards_file import FILE_NAME as GUARDS_FILE
from homeostat.policy.guards_file import guards_from
from homeostat.policy.load import Draft, finished, read_draft
from homeostat.policy.sources import FolderSources, SourceError, Sources
from homeostat.policy.yaml_tree import BYTES_MAX

GIT_TIMEOUT_S = 30.0


class RevisionSources:
    """Texts of a folder as they were in a git revision. Names are relative to the folder, as `Sources` has them."""

    def __init__(self, folder: Path, revision: str) -> None:
        self._folder = folder
        self._revision = revision

    def read(self, name: str) -> str:
        """Give the text. Raises SourceError where that revision has no such file."""
        content = self._git("show", f"{self._revision}:./{name}")
        if content is None:
            raise SourceError(f"cannot read {self.display(name)}: there is no such file in that revision")
        if len(content) > BYTES_MAX:
            raise SourceError(f"{self.display(name)} is larger than {BYTES_MAX // 1024} KiB")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise SourceError(f"{self.display(name)} is not UTF-8 text") from None

    def display(self, name: str) -> str:
        """The name as git shows it: `REV:./name`."""
        return f"{self._revision}:{name}"

    def check(self) -> None:
        """Raise UsageError where this is no git repository or has no such revision."""
        if self._revision.startswith("-"):
            raise UsageError(f"'{self._revision}' is not a revision")
        if self._git("rev-parse", "--is-inside-work-tree") is None:
            raise UsageError(f"{self._folder} is not in a git repository")
        if self._git("rev-parse", "--verify", "--quiet", f"{self._revision}^{{commit}}") is None:
            raise UsageError(f"git knows no revision '{self._revision}'; `git log --oneline` shows some")

    def _git(self, *arguments: str) -> bytes | None:
        """What a git command prints; None when it fails."""
        folder = self._folder if str(self._folder) else Path()
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_TIMEOUT_S, check=False
            )
        except FileNotFoundError:
            raise UsageError("git is not installed; compare two files instead") from None
        except subprocess.TimeoutExpired:
            raise UsageError(f"git took longer than {GIT_TIMEOUT_S:.0f} s") from None
        return done.stdout if done.returncode == 0 else None


def compare_policies(
    old: tuple[Sources, str], new: tuple[Sources, str], environment: str | None = None
) -> list[Change]:
    """Compare two versions of a policy in every environment that either declares, or in one alone.

    Args:
        old: where the texts come from, and the name of the policy's file there.
        new: the same of the new version.
        environment: the one to look at; None: all, and none where a version loads without.

    Raises:
        PolicyError: a version cannot be loaded in any environment that both have.
    """
    wanted = [environment] if environment is not None else _environments(old, new)
    pairs: dict[str | None, tuple[Policy, Policy]] = {}
    drafts: list[Draft] = []
    for name in wanted:
        both = [read_draft(sources, main, name) for sources, main in (old, new)]
        drafts += both
        if both[0].policy is not None and both[1].policy is not None:
            pairs[name] = (both[0].policy, both[1].policy)
    if not pairs:
        raise PolicyError(list(dict.fromkeys(problem for draft in drafts for problem in draft.problems)))
    return [*changes_by_environment(pairs), *guard_changes(_guards(old[0]), _guards(new[0]))]


def _guards(sources: Sources) -> Guards:
    """The guards beside a policy; none where there is no such file. Raises PolicyError when it is wrong."""
    try:
        text = sources.read(GUARDS_FILE)
    except SourceError:
        return NO_GUARDS
    return guards_from(text, sources.display(GUARDS_FILE))


def _environments(*versions: tuple[Sources, str]) -> list[str | None]:
    names: dict[str | None, None] = {None: None}
    for sources, main in versions:
        data = read_draft(sources, main).document.data
        declared = data.get("environments") if isinstance(data, dict) else None
        names |= dict.fromkeys(declared) if isinstance(declared, dict) else {}
    return list(names)


def version(path: Path, revision: str | None = None) -> tuple[Sources, str]:
    """Say where a policy's texts come from: its folder, or that folder in a git revision.

    Raises:
        UsageError: git has no such revision.
    """
    if revision is None:
        return FolderSources(path.parent), path.name
    sources = RevisionSources(path.parent, revision)
    sources.check()
    return sources, path.name


def policy_at(path: Path, revision: str, environment: str | None = None) -> Policy | None:
    """Load a policy as it was in a git revision; None where that has no such file.

    Raises:
        UsageError: git has no such revision. PolicyError: it was invalid then.
    """
    sources, name = version(path, revision)
    try:
        sources.read(name)
    except SourceError:
        return None
    return finished(read_draft(sources, name, environment))
