r"""Anchors: signed states of the whole journal, which also show what a hash chain alone cannot.

A chain shows that a record was changed. Whoever can write to the store can, however, cut off its newest records,
remove an incident with all its records, or write a stream anew with hashes that fit. An anchor that is kept where
he cannot write contradicts all of that:

    digest    = SHA-256( previous              32 bytes: the digest of the anchor before; all zero for the first
                      || hash || hash || ... ) 32 bytes each: of every record since, in order of write position
    signature = Ed25519( "homeostat-anchor-1\n"
                      || position              8 bytes, unsigned, big-endian: of the last record covered
                      || at                    8 bytes, IEEE 754 double, big-endian: Unix seconds
                      || previous || digest )  32 bytes each

Ed25519 is that of RFC 8032. An exported anchor is one line of JSON with the fields of `Anchor`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from homeostat.model.errors import JournalCorrupt, PolicyError, Position, Problem
from homeostat.record.keys import PrivateKey, PublicKey, key_id_of, signature_holds

if TYPE_CHECKING:
    from hashlib import _Hash

EXPORT_BYTES_MAX = 1 << 30
LINE_BYTES_MAX = 4096
FAULTS_MAX = 100
"""Faults told one by one; the rest are only counted."""

_DIGEST_BYTES = 32
_FIRST = "0" * 64
"""`previous` of the first anchor."""
_PREFIX = b"homeostat-anchor-1\n"


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signed state of the journal.

    Attributes:
        position: write position of the last record it covers.
        at: when it was made, in Unix seconds.
        previous: digest of the anchor before it, 64 hexadecimal digits; zeros for the first.
        digest: over the records since; see this module.
        key_id: which public key the signature holds under; see `keys.key_id_of`.
        signature: 128 hexadecimal digits.
    """

    position: int
    at: float
    previous: str
    digest: str
    key_id: str
    signature: str

    def signed_bytes(self) -> bytes:
        """What the signature is over. Raises ValueError, struct.error for what is no anchor."""
        header = struct.pack(">Qd", self.position, self.at)
        return b"".join((_PREFIX, header, bytes.fromhex(self.previous), bytes.fromhex(self.digest)))


def anchor_of(row: Sequence[Any]) -> Anchor:
    """Give the anchor of a row: position, at, previous, digest, key_id, signature."""
    position, at, previous, digest, key_id, signature = row
    return Anchor(position=position, at=at, previous=previous, digest=digest, key_id=key_id, signature=signature)


class Anchored(Protocol):
    """As much of a journal as an anchor needs."""

    def last_anchor(self) -> Anchor | None:
        """The newest anchor."""
        ...

    def hashes(self, after: int) -> Iterator[tuple[int, str]]:
        """Write position and hash of every record after a write position, in order."""
        ...

    def add_anchor(self, anchor: Anchor) -> None:
        """Keep an anchor that follows the newest one. Raises JournalConflict when it does not."""
        ...


def add_anchor(journal: Anchored, key: PrivateKey, at: float) -> Anchor | None:
    """Anchor all records there are; None when there is none since the last anchor.

    Raises:
        JournalError: the journal cannot be read or written, or holds what cannot be signed.
    """
    last = journal.last_anchor()
    previous = last.digest if last else _FIRST
    running, position = sha256(bytes.fromhex(previous)), last.position if last else 0
    start = position
    for position, record_hash in journal.hashes(start):
        try:
            running.update(bytes.fromhex(record_hash))
        except (TypeError, ValueError) as error:
            raise JournalCorrupt(
                f"the hash of the record at write position {position} is none, so nothing was signed;"
                " `homeostat audit verify` shows what is wrong"
            ) from error
    if position == start:
        return None
    anchor = signed(position, at, previous, running.hexdigest(), key)
    journal.add_anchor(anchor)
    return anchor


def signed(position: int, at: float, previous: str, digest: str, key: PrivateKey) -> Anchor:
    """Sign an anchor."""
    unsigned = Anchor(
        position=position, at=at, previous=previous, digest=digest, key_id=key_id_of(key.public_key()), signature=""
    )
    signature = key.sign(unsigned.signed_bytes()).hex()
    return msgspec.structs.replace(unsigned, signature=signature)


_encode = msgspec.json.Encoder(order="deterministic").encode


def anchor_line(anchor: Anchor) -> bytes:
    """Give an anchor as it is exported, with its line end."""
    return _encode(anchor) + b"\n"


def read_anchors(path: Path) -> tuple[list[Anchor], list[Problem]]:
    """Read exported anchors, one a line; lines that are none come beside (A002): a crash can leave half of one.

    A last line without its end is one that is being written.

    Raises:
        PolicyError: A001 the file cannot be read; A003 it is too large.
    """
    found: list[Anchor] = []
    problems: list[Problem] = []
    try:
        with path.open("rb") as file:
            number, total = 0, 0
            while line := file.readline(LINE_BYTES_MAX + 1):
                number, total = number + 1, total + len(line)
                if len(line) > LINE_BYTES_MAX or total > EXPORT_BYTES_MAX:
                    raise PolicyError(
                        [Problem(Position(str(path), number, 1), "A003", "too long for a file of anchors")]
                    )
                anchor = _parsed(line)
                if anchor is not None:
                    found.append(anchor)
                elif line.endswith(b"\n"):
                    problems.append(Problem(Position(str(path), number, 1), "A002", "this line is no anchor"))
    except OSError as error:
        what = f"the anchors cannot be read: {error.strerror}"
        raise PolicyError([Problem(Position(str(path), 1, 1), "A001", what)]) from error
    return found, problems


def _parsed(line: bytes) -> Anchor | None:
    try:
        anchor = msgspec.json.decode(line, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return anchor if _is_sound(anchor) else None


def _is_sound(anchor: Anchor) -> bool:
    """Whether every field has its form; anchors come from where others may have written."""
    try:
        lengths = [len(bytes.fromhex(text)) for text in (anchor.previous, anchor.digest, anchor.signature)]
        return lengths == [32, 32, 64] and 0 < anchor.position < 1 << 63 and math.isfinite(anchor.at)
    except (TypeError, ValueError):
        return False


@dataclass(slots=True)
class AnchorCheck:
    """Checks a journal against anchors, its own and exported ones. For one check of one journal.

    Args:
        exported: anchors that were kept elsewhere.
        keys: public keys, by `key_id_of`; without any, no signature can be checked.

    Attributes:
        faults: one sentence each, at most `FAULTS_MAX`; `faults_count` counts all.
        count: how many different anchors were checked.
    """

    exported: Sequence[Anchor] = ()
    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    faults_count: int = 0
    count: int = 0
    _due: list[Anchor] = field(default_factory=list)
    _next: int = 0
    _running: _Hash = field(default_factory=lambda: sha256(bytes(_DIGEST_BYTES)))
    _position: int = 0

    def begin(self, own: Iterable[Anchor]) -> None:
        """Take in the journal's own anchors, in order of position, before any record; a second time to begin anew."""
        self.faults, self.faults_count, self._next, self._position = [], 0, 0, 0
        in_journal: dict[int, Anchor] = {}
        for anchor in own:
            if _is_sound(anchor):
                in_journal[anchor.position] = anchor
            else:
                self._fault(f"the journal's anchor at position {anchor.position}: a field is not of its form.")
        due = dict(in_journal)
        for anchor in self.exported:
            kept = due.setdefault(anchor.position, anchor)
            if kept != anchor:
                self._fault(f"{_named(anchor)} was exported in another form than the journal has it.")
                # What was kept elsewhere is believed; the one in the journal has its signature checked all the same.
                self._check_signature(kept)
                due[anchor.position] = anchor
            elif anchor.position not in in_journal:
                self._fault(f"{_named(anchor)} was exported and is not in the journal any more.")
        self._due = [due[position] for position in sorted(due)]
        self.count = len(self._due)
        digest = _FIRST
        for anchor in self._due:
            if anchor.previous != digest:
                self._fault(f"{_named(anchor)} does not follow the one before it; anchors were removed.")
            digest = anchor.digest
            self._check_signature(anchor)
        if self._due:
            self._running = sha256(bytes.fromhex(self._due[0].previous))

    def take(self, first: int, hashes: bytes) -> None:
        """Take in the raw hashes of records at `first` and the write positions after it, in order of writing."""
        start, count = 0, len(hashes) // _DIGEST_BYTES
        while start < count and self._next < len(self._due):
            anchor = self._due[self._next]
            wanted = max(0, min(count - start, anchor.position - (first + start) + 1))
            self._running.update(hashes[start * _DIGEST_BYTES : (start + wanted) * _DIGEST_BYTES])
            start += wanted
            if first + start > anchor.position:
                self._close(anchor)
        self._position = first + count - 1

    def finish(self) -> list[str]:
        """Give the faults, when all records were taken in."""
        while self._next < len(self._due):
            anchor = self._due[self._next]
            if self._position < anchor.position:
                self._fault(
                    f"{_named(anchor)} covers more records than there are, the last is at {self._position}:"
                    " the newest were cut off."
                )
                self._next += 1
            else:
                self._close(anchor)
        untold = self.faults_count - len(self.faults)
        return [*self.faults, f"... and {untold} more faults of anchors."] if untold else list(self.faults)

    def _fault(self, sentence: str) -> None:
        self.faults_count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(sentence)

    def _close(self, anchor: Anchor) -> None:
        """Compare what was seen up to an anchor with it; the next starts from what it says: one change is told once."""
        if self._running.hexdigest() != anchor.digest:
            before = self._due[self._next - 1].position if self._next else 0
            self._fault(
                f"the records at positions {before + 1} to {anchor.position} are not those that were anchored"
                f" {_when(anchor)}: some were changed, removed, added or moved, or a stream was written anew."
            )
        self._next += 1
        self._running = sha256(bytes.fromhex(anchor.digest))

    def _check_signature(self, anchor: Anchor) -> None:
        if not self.keys:
            return
        key = self.keys.get(anchor.key_id)
        if key is None:
            self._fault(f"{_named(anchor)} names a key that was not given, {anchor.key_id!r}.")
        elif not signature_holds(key, bytes.fromhex(anchor.signature), anchor.signed_bytes()):
            self._fault(f"{_named(anchor)} is not signed by its key; it was changed or invented.")


def _named(anchor: Anchor) -> str:
    return f"the anchor at position {anchor.position}"


def _when(anchor: Anchor) -> str:
    try:
        return datetime.fromtimestamp(anchor.at, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"at {anchor.at!r}"
