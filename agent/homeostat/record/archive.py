"""Archives: closed incidents in Parquet files (parquet.apache.org), for keeping and for analysis.

An archive is a folder, written under another name and moved into place when it has been read back and every hash in it
was computed anew:

    manifest.json       `Manifest`: what is in it, with a digest of each file
    records.parquet     one row a record, the fields of `StoredRecord` and `position`; whole streams, one after another
    artifacts.parquet   `sha256` and `content` of the outputs of their actions that were still kept

pyarrow is not part of the core; it comes with the extra `archive`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import file_digest, sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from homeostat.model.entries import ActionEnded
from homeostat.model.errors import JournalCorrupt, UsageError
from homeostat.model.ports import Record
from homeostat.record.chain import checked
from homeostat.record.codec import CODEC
from homeostat.record.storage import synchronise
from homeostat.record.stored import StoredJournal, StoredRecord

FORMAT = "homeostat-archive"
VERSION = 1
MANIFEST, RECORDS, ARTIFACTS = "manifest.json", "records.parquet", "artifacts.parquet"
_ROWS_AT_ONCE = 10_000
_ARTIFACTS_AT_ONCE = 16
_MANIFEST_BYTES_MAX = 256 * 1024 * 1024


class ArchivedStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream in an archive: how many records it has, and the hash of the last."""

    stream: str
    records: int
    head_hash: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive holds.

    Attributes:
        made_at: Unix seconds.
        records: how many there are; `first_position` and `last_position` are the least and the greatest.
        artifacts: digests of those that are in it.
        digests: SHA-256 of each Parquet file, by name.
    """

    format: str
    version: int
    made_at: float
    records: int
    first_position: int
    last_position: int
    streams: list[ArchivedStream]
    artifacts: list[str]
    digests: dict[str, str]


def write_archive(journal: StoredJournal, streams: Sequence[str], folder: Path, made_at: float) -> Manifest:
    """Write streams, at least one, to a new archive, and prove it by reading it back.

    Raises:
        UsageError: pyarrow is missing, or the folder exists or cannot be written.
        JournalCorrupt: a stream is damaged; nothing is left behind.
    """
    _pyarrow()
    if folder.exists():
        raise UsageError(f"{folder}: there is an archive of this name already; wait a second and try again")
    draft = folder.with_name(folder.name + ".new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        manifest = _write(journal, streams, draft, made_at)
        verify_archive(draft)
        for name in (MANIFEST, RECORDS, ARTIFACTS, "."):
            synchronise(draft / name)
        draft.rename(folder)
        synchronise(folder.parent)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _write(journal: StoredJournal, streams: Sequence[str], draft: Path, made_at: float) -> Manifest:
    pa, pq = _pyarrow()
    written: list[ArchivedStream] = []
    artifacts: dict[str, None] = {}
    positions: list[int] = []
    schema = _records_schema(pa)
    with closing(pq.ParquetWriter(draft / RECORDS, schema, compression="zstd")) as file:
        rows: list[dict[str, object]] = []
        for stream in streams:
            count, head_hash = 0, ""
            for record, stored in zip(journal.read(stream), journal.stored(stream), strict=True):
                rows.append({"position": record.position, **stored._asdict()})
                count, head_hash = count + 1, record.hash
                positions = [min([record.position, *positions]), max([record.position, *positions])]
                if isinstance(record.entry, ActionEnded) and record.entry.output_sha256:
                    artifacts[record.entry.output_sha256] = None
                if len(rows) >= _ROWS_AT_ONCE:
                    file.write_table(pa.Table.from_pylist(rows, schema))
                    rows.clear()
            written.append(ArchivedStream(stream, count, head_hash))
        file.write_table(pa.Table.from_pylist(rows, schema))
    kept = list(_write_artifacts(journal, artifacts, draft / ARTIFACTS))
    digests = {name: _digest_of(draft / name) for name in (RECORDS, ARTIFACTS)}
    count = sum(stream.records for stream in written)
    manifest = Manifest(FORMAT, VERSION, made_at, count, positions[0], positions[1], written, kept, digests)
    (draft / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def _write_artifacts(journal: StoredJournal, digests: Iterable[str], path: Path) -> Iterator[str]:
    """Write what is still kept of these; give the digests of it."""
    pa, pq = _pyarrow()
    schema = pa.schema([pa.field("sha256", pa.string(), False), pa.field("content", pa.binary(), False)])
    with closing(pq.ParquetWriter(path, schema, compression="zstd")) as file:
        for digest in digests:
            content = journal.artifact(digest)
            if content is not None:
                file.write_table(pa.Table.from_pylist([{"sha256": digest, "content": content}], schema))
                yield digest


def read_manifest(folder: Path) -> Manifest:
    """Read what an archive says it holds.

    Raises:
        UsageError: there is no archive, or a newer release wrote it. JournalCorrupt: it is damaged.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MANIFEST_BYTES_MAX:
            raise JournalCorrupt(f"{path}: larger than {_MANIFEST_BYTES_MAX} bytes; this is no manifest of an archive")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise UsageError(f"{folder}: there is no archive here: {path.name}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalCorrupt(f"{path}: the archive is damaged: {error}; take another copy of it") from error
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise UsageError(
            f"{path}: {manifest.format!r} in version {manifest.version}; this release reads {FORMAT!r} in version"
            f" {VERSION}: upgrade Homeostat"
        )
    return manifest


def read_archive(folder: Path) -> Iterator[Record]:
    """Give the records of an archive, stream by stream, each checked as those of a journal are.

    Raises:
        UsageError: there is no archive, or pyarrow is missing.
        JournalCorrupt: a record is not the one that was archived, or one is missing.
    """
    manifest = read_manifest(folder)
    due = iter(manifest.streams)
    positions: list[int] = []
    rows = _noting(_records(folder), positions)
    for stream, stored in groupby(rows, key=lambda record: record.stream):
        expected = next(due, None)
        count, head_hash = 0, ""
        for record in checked(stored):
            count, head_hash = record.seq, record.hash
            entry = CODEC.decode(record.type, record.v, record.body)
            yield Record(record.stream, record.seq, entry, record.prev_hash, record.hash, positions[-1])
        if expected != ArchivedStream(stream, count, head_hash):
            raise _damaged(folder, f"stream {stream} is not as the manifest has it")
    if next(due, None) is not None:
        raise _damaged(folder, "streams are missing")


def archived_artifact(folder: Path, digest: str) -> bytes | None:
    """Give an artifact out of an archive; None when it is not in it. Raises as `read_archive`."""
    return next((content for name, content in _artifacts(folder) if name == digest), None)


def verify_archive(folder: Path) -> Manifest:
    """Read a whole archive and compute every hash in it anew.

    Raises:
        UsageError: there is no archive, or pyarrow is missing. JournalCorrupt: it is damaged.
    """
    manifest = read_manifest(folder)
    for name in (RECORDS, ARTIFACTS):
        if _digest_of(folder / name) != manifest.digests.get(name):
            raise _damaged(folder, f"{name} is not the file that was written")
    count, positions = 0, [0, 0]
    for record in read_archive(folder):
        count += 1
        first, last = positions if count > 1 else (record.position, record.position)
        positions = [min(first, record.position), max(last, record.position)]
    if [count, *positions] != [manifest.records, manifest.first_position, manifest.last_position]:
        raise _damaged(folder, "the number or the positions of its records are not those of the manifest")
    if [name for name, _ in _artifacts(folder)] != manifest.artifacts:
        raise _damaged(folder, "its artifacts are not those of the manifest")
    return manifest


def _records(folder: Path) -> Iterator[tuple[StoredRecord, int]]:
    for row in _rows(folder, RECORDS, _ROWS_AT_ONCE):
        try:
            position = row.pop("position")
            yield StoredRecord(**row), position
        except (TypeError, KeyError) as error:
            raise _damaged(folder, f"{RECORDS} has other columns than a record") from error


def _noting(found: Iterable[tuple[StoredRecord, int]], positions: list[int]) -> Iterator[StoredRecord]:
    """Pass records on, and leave the write position of the last one."""
    for stored, position in found:
        positions[:] = [position]
        yield stored


def _artifacts(folder: Path) -> Iterator[tuple[str, bytes]]:
    for row in _rows(folder, ARTIFACTS, _ARTIFACTS_AT_ONCE):
        digest, content = row.get("sha256"), row.get("content")
        if not isinstance(content, bytes) or sha256(content).hexdigest() != digest:
            raise _damaged(folder, f"the artifact {digest} is not the one that was archived")
        yield digest, content


def _rows(folder: Path, name: str, rows_at_once: int) -> Iterator[dict[str, Any]]:
    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(folder / name) as file:
            for batch in file.iter_batches(rows_at_once):
                yield from batch.to_pylist()
    except FileNotFoundError as error:
        raise _damaged(folder, f"{name} is missing") from error
    except (pa.ArrowException, OSError) as error:
        raise _damaged(folder, f"{name} cannot be read: {error}") from error


def _records_schema(pa: Any) -> Any:
    types = {"position": pa.int64(), "seq": pa.int64(), "v": pa.int32(), "at": pa.float64(), "body": pa.binary()}
    names = ("position", *StoredRecord._fields)
    return pa.schema([pa.field(name, types.get(name, pa.string()), nullable=name == "action_key") for name in names])


def _pyarrow() -> tuple[Any, Any]:
    """Import pyarrow: 40 MB that only archives need. Raises UsageError."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped] # shipped without types
        import pyarrow.parquet as pq  # type: ignore[import-untyped] # shipped without types
    except ImportError as error:
        raise UsageError("archives need pyarrow: pip install 'homeostat[archive]'") from error
    return pa, pq


def _digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _damaged(folder: Path, what: str) -> JournalCorrupt:
    return JournalCorrupt(f"{folder}: the archive is damaged: {what}; take another copy of it")
