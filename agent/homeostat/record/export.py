"""A journal as text, one JSON object a line: for auditors, and for telling whether two journals are the same."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from homeostat.record.stored import StoredJournal

_encode = msgspec.json.Encoder(order="deterministic").encode


def export_stream(journal: StoredJournal, stream: str) -> Iterator[str]:
    """Give the records of a stream in order, one line each, without line ends.

    The keys are the fields of `StoredRecord`, sorted. `body` holds the stored bytes as they are, so that every hash
    can be checked from the line alone. Journals of any store with the same records give the same lines.
    """
    for record in journal.stored(stream):
        fields = record._asdict()
        fields["body"] = msgspec.Raw(record.body)
        yield _encode(fields).decode()


def export_journal(journal: StoredJournal) -> Iterator[str]:
    """Give all streams of a journal, sorted by name, as `export_stream` does."""
    for stream in journal.streams():
        yield from export_stream(journal, stream)
