"""Who may use the console, in which role: names, and digests of their tokens, in one file of the state folder.

A token has 256 random bits, so its SHA-256 is as good as a slow hash (OWASP Password Storage Cheat Sheet: work factors
are for secrets that people choose). The token itself is shown once and kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

from homeostat.act.files import locked, make_folder, read_at_most, replace_durably
from homeostat.app.kept_secret import kept_secret
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.record.inbox import check_name

FILE_NAME = "access.json"
KEY_NAME = "console-key"
PEOPLE_MAX = 1000
LOCK_WAIT_S_MAX = 10.0
_BYTES_MAX = 1 << 20
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)


class Role(IntEnum):
    """What a person may do; each may all that the one before it may.

    viewer: look. operator: request suggested steps, report manual ones, pause, answer the survey. approver: agree to
    or refuse a start, and resume. admin: let rankings rule or take them back, and have them trained.
    """

    VIEWER = 1
    OPERATOR = 2
    APPROVER = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may use the console.

    Attributes:
        digest: SHA-256 of the token, 64 lower-case hexadecimal digits.
    """

    name: str
    role: Role
    digest: str


class AccessList:
    """The file. It is looked at for every question: what was revoked does not hold until a restart."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._path = state / FILE_NAME
        self._known: tuple[_Version, list[Person]] | None = None

    def people(self) -> list[Person]:
        """Everybody, by name.

        Raises:
            UsageError: the file cannot be read or is not ours.
        """
        try:
            version = _version(self._path)
            if self._known is None or self._known[0] != version:
                content = read_at_most(self._path, _BYTES_MAX)
                rows = json.loads(content)["people"] if content is not None else []
                self._known = version, sorted((_person(row) for row in rows), key=lambda person: person.name)
            return list(self._known[1])
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{self._path}: not a list of people ({error}); remove it, and grant access anew"
            ) from error

    def grant(self, name: str, role: Role) -> str:
        """Give somebody a role and a new token, which replaces an older one; give the token.

        Raises:
            UsageError: the name is none, there are too many, or the file cannot be written.
        """
        token = secrets.token_urlsafe(32)
        with self._changing():
            known = self.people()
            _require_name(name, known)
            others = [person for person in known if person.name != name]
            if len(others) >= PEOPLE_MAX:
                raise UsageError(f"{self._path}: {PEOPLE_MAX} people have access, and no more can")
            self._write([*others, Person(name, role, _digest(token))])
        return token

    def revoke(self, name: str) -> None:
        """Take access away.

        Raises:
            UsageError: nobody of that name has it, or the file cannot be written.
        """
        with self._changing():
            people = self.people()
            if name not in {person.name for person in people}:
                raise UsageError(f"nobody named '{name}' has access{did_you_mean(name, [p.name for p in people])}")
            self._write([person for person in people if person.name != name])

    def bearer_of(self, token: str) -> Person | None:
        """Whose token it is. Raises UsageError."""
        digest = _digest(token)
        found = None
        for person in self.people():  # all of them, always: the time tells nothing
            if hmac.compare_digest(person.digest, digest):
                found = person
        return found

    def named(self, name: str) -> Person | None:
        """Somebody who has access. Raises UsageError."""
        return next((person for person in self.people() if person.name == name), None)

    def signing_key(self) -> str:
        """What signs cookies and forms; made at the first need, kept over restarts.

        Raises:
            UsageError: it cannot be kept.
        """
        return kept_secret(self._state / KEY_NAME, "the console's key", "the console makes a new key")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time, over processes."""
        try:
            make_folder(self._state)
            give_up_at = time.monotonic() + LOCK_WAIT_S_MAX
            while time.monotonic() < give_up_at:
                with locked(self._state / f"{FILE_NAME}.lock") as ours:
                    if ours:
                        yield
                        return
                time.sleep(0.01)
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be changed: {error.strerror}") from error
        raise UsageError(f"{self._path}: somebody else has been changing it for {LOCK_WAIT_S_MAX:g} s; try again")

    def _write(self, people: list[Person]) -> None:
        rows = [asdict(person) | {"role": person.role.word} for person in people]
        replace_durably(self._path, json.dumps({"people": rows}, indent=1).encode())


_Version = tuple[int, int, int] | None


def _version(path: Path) -> _Version:
    """What differs after every change: the file is always replaced by a new one. Raises OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _person(row: dict[str, str]) -> Person:
    if _DIGEST.fullmatch(row["digest"]) is None:
        raise ValueError("a digest has 64 hexadecimal digits")
    return Person(str(row["name"]), Role[row["role"].upper()], row["digest"])


def role_named(word: str) -> Role:
    """A role by its word. Raises UsageError with the nearest."""
    try:
        return Role[word.upper()]
    except KeyError:
        known = [role.word for role in Role]
        hint = did_you_mean(word, known) or f"; there are: {', '.join(known)}"
        raise UsageError(f"no role '{word}'{hint}") from None


def _require_name(name: str, known: list[Person]) -> None:
    """Refuse a name that no answer may bear, and one that a person could get a second voice by. Raises UsageError."""
    check_name(name)
    if name != " ".join(name.split()):
        raise UsageError(f"{name!r} is no name for a person: leave out the spaces that nobody sees")
    for person in known:
        if person.name != name and person.name.casefold() == name.casefold():
            raise UsageError(f"'{person.name}' has access; '{name}' would look like the same person")
