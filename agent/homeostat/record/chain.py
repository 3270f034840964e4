"""The hash chain: what is hashed, byte for byte, and how a journal is checked against it.

    hash = SHA-256( prev_hash            32 bytes; all zero for a stream's first record
                 || seq                  8 bytes, unsigned, big-endian
                 || v                    4 bytes, unsigned, big-endian
                 || at                   8 bytes, IEEE 754 double, big-endian
                 || SHA-256(body)        32 bytes, over the stored bytes of the body
                 || len(stream)          4 bytes, unsigned, big-endian; lengths count UTF-8 bytes
                 || len(type)            4 bytes
                 || len(action_key)      4 bytes; 0xFFFFFFFF when there is none
                 || len(code_version)    4 bytes
                 || stream || type || action_key || code_version )

Hashes are stored and shown as 64 lower-case hexadecimal digits. Every column of a record goes in, so that none
can be changed unseen; the body goes in by its digest, so that a body may one day be archived elsewhere.
"""

from __future__ import annotations

import struct
from binascii import b2a_hex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice

from homeostat.model.errors import JournalCorrupt
from homeostat.record.anchors import AnchorCheck
from homeostat.record.codec import EncodedEntry
from homeostat.record.stored import StoredRecord

GENESIS = "0" * 64
"""`prev_hash` of a stream's first record."""

FAULTS_MAX = 100
"""Faults told one by one; the rest are only counted."""

RawRow = tuple[int, bytes, int, bytes, int, float, bytes | None, bytes, bytes, bytes, bytes, bytes]
"""Write position and the fields of a `StoredRecord`, text as UTF-8: what is quickest to check."""

_NO_KEY = 0xFFFFFFFF
_ROWS_AT_ONCE = 64
_DIGEST_BYTES = 32
_pack_header = struct.Struct(">QId32sIIII").pack


def link(
    prev_hash: bytes,
    stream: bytes,
    seq: int,
    name: bytes,
    v: int,
    at: float,
    action_key: bytes | None,
    code_version: bytes,
    body_sha: bytes,
) -> bytes:
    """Compute a record's hash: text as UTF-8, hashes as 32 raw bytes.

    Raises:
        struct.error, TypeError: a field is not of its type or out of its range.
    """
    key_length = _NO_KEY if action_key is None else len(action_key)
    header = _pack_header(seq, v, at, body_sha, len(stream), len(name), key_length, len(code_version))
    return sha256(b"".join((prev_hash, header, stream, name, action_key or b"", code_version))).digest()


def body_digest(body: bytes) -> str:
    """Give the SHA-256 of a stored body in hexadecimal."""
    return sha256(body).hexdigest()


def chained(
    stream: str, head_seq: int, head_hash: str, entries: Iterable[EncodedEntry], code_version: str
) -> Iterator[StoredRecord]:
    """Number and chain entries onto a stream's head."""
    stream_bytes, version_bytes = stream.encode(), code_version.encode()
    seq, prev_hash, prev_digest = head_seq, head_hash, bytes.fromhex(head_hash)
    for entry in entries:
        seq += 1
        body_sha = sha256(entry.body)
        key = None if entry.action_key is None else entry.action_key.encode()
        digest = link(
            prev_digest,
            stream_bytes,
            seq,
            entry.type.encode(),
            entry.v,
            entry.at,
            key,
            version_bytes,
            body_sha.digest(),
        )
        record_hash = digest.hex()
        yield StoredRecord(
            stream,
            seq,
            entry.type,
            entry.v,
            entry.at,
            entry.action_key,
            code_version,
            entry.body,
            body_sha.hexdigest(),
            prev_hash,
            record_hash,
        )
        prev_hash, prev_digest = record_hash, digest


def raw(position: int, record: StoredRecord) -> RawRow:
    """Give a record in the form `ChainCheck` takes."""
    return (
        position,
        record.stream.encode(),
        record.seq,
        record.type.encode(),
        record.v,
        record.at,
        None if record.action_key is None else record.action_key.encode(),
        record.code_version.encode(),
        record.body,
        record.body_sha.encode(),
        record.prev_hash.encode(),
        record.hash.encode(),
    )


Head = tuple[int, bytes, bytes]
"""A stream's last record: its seq, its hash as 32 bytes, and its hash as stored."""

START: Head = (0, bytes(_DIGEST_BYTES), GENESIS.encode())
"""What a stream's first record follows."""


@dataclass(slots=True)
class ChainCheck:
    """Checks records in order of writing, any streams mixed, and collects what is wrong.

    After a fault it goes on from what is stored, so that one change is told once.

    Attributes:
        heads: per stream, the last record seen.
        faults: one sentence each, at most `FAULTS_MAX`; `faults_count` counts all.
        position: the last write position seen.
        marks: (type, stream, v, at, body) of every record whose type is in `marked`.
        partial: whether the rows begin in the middle of a journal, after `position`. What a stream's first row says of
            the record before it is then believed, and noted in `firsts`: its seq and its hash as stored.
        anchors: is handed the hash of every record.
    """

    marked: frozenset[bytes] = frozenset()
    anchors: AnchorCheck | None = None
    heads: dict[bytes, Head] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    faults_count: int = 0
    marks: list[tuple[bytes, bytes, int, float, bytes]] = field(default_factory=list)
    position: int = 0
    partial: bool = False
    firsts: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def fault(self, sentence: str) -> None:
        """Note a fault."""
        self.faults_count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(sentence)

    def report(self) -> list[str]:
        """Give the faults, with a last sentence for those not told one by one."""
        untold = self.faults_count - len(self.faults)
        return [*self.faults, f"... and {untold} more faults."] if untold else list(self.faults)

    def check(self, rows: Iterable[RawRow]) -> None:
        """Check rows; the first ever must be at write position 1, and positions must have no gap."""
        iterator = iter(rows)
        while some := list(islice(iterator, _ROWS_AT_ONCE)):
            self._check(some)

    def _check(self, rows: Iterable[RawRow]) -> None:
        """Check some rows.

        The hash is `link` written out: a call and a name for everything would nearly halve the speed of an audit.
        """
        heads, marked, position = self.heads, self.marked, self.position
        first, digests = position + 1, list[bytes]()
        for row in rows:
            at_position, stream, seq, name, v, at, key, code_version, body, body_sha, prev_hash, record_hash = row
            position += 1
            try:
                head = heads.get(stream) or self._before_first(stream, seq, prev_hash)
                content = sha256(body).digest()
                key_length = _NO_KEY if key is None else len(key)
                header = _pack_header(seq, v, at, content, len(stream), len(name), key_length, len(code_version))
                digest = sha256(b"".join((head[1], header, stream, name, key or b"", code_version))).digest()
            except (struct.error, TypeError, OverflowError):
                self.fault(f"the record at write position {_text(at_position)}: a field is not of its type.")
                first = self._hand_over(first, digests, position + 1)
                continue
            if (
                b2a_hex(digest) != record_hash
                or b2a_hex(content) != body_sha
                or prev_hash != head[2]
                or seq != head[0] + 1
                or at_position != position
            ):
                self._explain(row, head, position)
                digest = _unhex(record_hash)
                if at_position != position:
                    first, position = self._hand_over(first, digests, at_position), at_position
            heads[stream] = (seq, digest, record_hash)
            digests.append(digest)
            if name in marked:
                self.marks.append((name, stream, v, at, body))
        self.position = position
        self._hand_over(first, digests, position + 1)

    def _hand_over(self, first: int, digests: list[bytes], next_first: int) -> int:
        """Hand hashes in a row, the first of them at `first`, to the anchors; give where the next ones begin."""
        if self.anchors is not None:
            joined = b"".join(digests)
            if len(joined) != _DIGEST_BYTES * len(digests):
                # What is no hash is a fault that was told; it must only not move the others.
                joined = b"".join(digest if len(digest) == _DIGEST_BYTES else START[1] for digest in digests)
            self.anchors.take(first, joined)
        digests.clear()
        return next_first

    def _before_first(self, stream: bytes, seq: int, prev_hash: bytes) -> Head:
        """Give what a stream's first row must follow."""
        if not self.partial:
            return START
        self.firsts[stream] = seq - 1, prev_hash
        return seq - 1, _unhex(prev_hash), prev_hash

    def _explain(self, row: RawRow, head: Head, position: int) -> None:
        """Say what is wrong with a row that does not follow `head` or is not at `position`."""
        at_position, stream, seq, *_, body, body_sha, prev_hash, _hash = row
        where = f"stream {_text(stream)}, record {seq}"
        if at_position != position:
            self.fault(f"{where}: written at position {at_position} where {position} was due; records are missing.")
        if seq != head[0] + 1:
            self.fault(f"{where}: it follows record {head[0]}; records are missing or out of order.")
        elif prev_hash != head[2]:
            self.fault(f"{where}: its previous hash is not the hash of the record before it.")
        if sha256(body).hexdigest().encode() != body_sha:
            self.fault(f"{where}: its body is not the one that was written.")
        if not _own_hash_holds(row):
            self.fault(f"{where}: its header or its hash is not the one that was written.")


def checked(records: Iterable[StoredRecord]) -> Iterator[StoredRecord]:
    """Pass on the records of one whole stream, in order.

    Raises:
        JournalCorrupt: at the first record that is not what was written or does not follow the one before it.
    """
    head_seq, head_hash = 0, GENESIS
    for record in records:
        if record.seq != head_seq + 1 or record.prev_hash != head_hash or not _holds(record):
            raise _broken(record, (head_seq, _unhex(head_hash.encode()), head_hash.encode()))
        yield record
        head_seq, head_hash = record.seq, record.hash


def check_alone(record: StoredRecord) -> None:
    """Check one record without the one before it.

    Raises:
        JournalCorrupt: its body, header or hash is not what was written.
    """
    if not _holds(record):
        prev_hash = str(record.prev_hash).encode()
        raise _broken(record, (record.seq - 1, _unhex(prev_hash), prev_hash))


def _holds(record: StoredRecord) -> bool:
    """Whether a record's hashes are those of its content; False for fields of a wrong type, too.

    Every record that is read goes through here, which is why nothing is converted that need not be.
    """
    try:
        content = sha256(record.body)
        digest = link(
            bytes.fromhex(record.prev_hash),
            record.stream.encode(),
            record.seq,
            record.type.encode(),
            record.v,
            record.at,
            None if record.action_key is None else record.action_key.encode(),
            record.code_version.encode(),
            content.digest(),
        )
    except (AttributeError, TypeError, ValueError, OverflowError, struct.error):
        return False
    return content.hexdigest() == record.body_sha and digest.hex() == record.hash


def _broken(record: StoredRecord, head: Head) -> JournalCorrupt:
    check = ChainCheck()
    try:
        check.heads[record.stream.encode()] = head
        check.check([raw(1, record)])
    except (AttributeError, TypeError):
        check.fault(f"stream {record.stream}, record {record.seq}: a field is not of its type.")
    return JournalCorrupt(
        f"{' '.join(check.faults)} Nothing may be decided from this journal:"
        " see `homeostat doctor`, then restore it from a backup."
    )


def _own_hash_holds(row: RawRow) -> bool:
    _, stream, seq, name, v, at, key, code_version, _, body_sha, prev_hash, record_hash = row
    try:
        digest = link(_unhex(prev_hash), stream, seq, name, v, at, key, code_version, _unhex(body_sha))
    except (struct.error, TypeError):
        return False
    return digest.hex().encode() == record_hash


def _unhex(digits: bytes) -> bytes:
    """Give the bytes behind hexadecimal digits; none for what is not hexadecimal."""
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except (ValueError, AttributeError):
        return b""


def _text(value: object) -> str:
    """Give what is stored where text should be, for people."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
