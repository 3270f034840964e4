from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeostat.model.entries import Entry
from homeostat.model.errors import JournalCorrupt
from homeostat.record.chain import FAULTS_MAX, GENESIS, ChainCheck, chained, check_alone, checked, link, raw
from homeostat.record.codec import CODEC
from homeostat.record.stored import StoredRecord

TEXTS = st.binary(max_size=3)
HEADERS = st.tuples(TEXTS, st.integers(0, 3), TEXTS, st.integers(0, 3), st.floats(-1, 1), TEXTS | st.none(), TEXTS)


@pytest.fixture
def records(make_incident: Callable[[str], list[Entry]]) -> list[StoredRecord]:
    encoded = [CODEC.encode(entry) for entry in make_incident("018f")]
    return list(chained("018f", 0, GENESIS, encoded, "0.1.0"))


def test_the_hash_is_the_documented_one() -> None:
    """Computed here by hand from the layout in the module's docstring."""
    body = b'{"at":1.5}'
    header = struct.pack(">Q", 2) + struct.pack(">I", 1) + struct.pack(">d", 1.5) + hashlib.sha256(body).digest()
    lengths = struct.pack(">IIII", 4, 6, 0xFFFFFFFF, 5)
    expected = hashlib.sha256(b"\x11" * 32 + header + lengths + b"018f" + b"a.type" + b"0.1.0").digest()
    assert link(b"\x11" * 32, b"018f", 2, b"a.type", 1, 1.5, None, b"0.1.0", hashlib.sha256(body).digest()) == expected


def test_the_layout_never_changes() -> None:
    """Journals in the field hang on these values."""
    first = link(bytes(32), b"agent", 1, b"agent.started", 1, 1700000000.25, None, b"0.1.0", bytes(range(32)))
    assert first.hex() == "f6900b09516d7e0fb2fe7fa39ff74978b986fb410de9891fad86f323b7e057f2"
    second = link(first, b"\xc3\xa9", 2**40, b"action.intent", 3, -1.0, b"key", b"", bytes(range(32)))
    assert second.hex() == "65fccbc311884665dda7f8e6cb4fa308dfed9984734136d5bf7e60fce8417b92"


def _link_of(header: Any) -> bytes:
    stream, seq, name, v, at, key, code_version = header
    return link(bytes(32), stream, seq, name, v, at, key, code_version, bytes(32))


@given(HEADERS, HEADERS)
def test_no_two_headers_are_hashed_alike(one: Any, other: Any) -> None:
    hashes = [_link_of(header) for header in (one, other)]
    same = struct.pack(">d", one[4]) == struct.pack(">d", other[4]) and one == other
    assert (hashes[0] == hashes[1]) == same


def test_a_sound_stream_passes(records: list[StoredRecord]) -> None:
    assert list(checked(records)) == records
    for record in records:
        check_alone(record)
    check = ChainCheck()
    check.check(raw(position, record) for position, record in enumerate(records, start=1))
    assert check.report() == []
    assert check.heads[b"018f"][0] == len(records)


@pytest.mark.parametrize("place", [0, 5, 11])
@pytest.mark.parametrize("name", StoredRecord._fields)
def test_a_change_of_any_field_is_found(records: list[StoredRecord], name: str, place: int) -> None:
    value = getattr(records[place], name)
    match value:
        case str():
            changed: Any = ("1" if value[0] != "1" else "2") + value[1:]
        case bytes():
            changed = value.replace(b":", b": ", 1)
        case None:
            changed = "a key"
        case _:
            changed = value + 1
    records[place] = records[place]._replace(**{name: changed})
    with pytest.raises(JournalCorrupt, match=r"Nothing may be decided.*homeostat doctor.*backup"):
        list(checked(records))
    check = ChainCheck()
    check.check(raw(position, record) for position, record in enumerate(records, start=1))
    assert check.faults


@pytest.mark.parametrize("place", [0, 4, 10])
def test_missing_swapped_and_repeated_records_are_found(records: list[StoredRecord], place: int) -> None:
    before, [one, other], after = records[:place], records[place : place + 2], records[place + 2 :]
    for damaged in ([*before, other, one, *after], [*before, other, *after], [*before, one, one, other, *after]):
        with pytest.raises(JournalCorrupt, match=r"it follows record \d+; records are missing or out of order"):
            list(checked(damaged))
        check = ChainCheck()
        check.check(raw(position, record) for position, record in enumerate(damaged, start=1))
        assert check.faults


def test_one_change_is_told_once_and_the_rest_is_still_checked(records: list[StoredRecord]) -> None:
    for place in (3, 7):
        records[place] = records[place]._replace(body=b"{}")
    check = ChainCheck()
    check.check(raw(position, record) for position, record in enumerate(records, start=1))
    assert check.report() == [f"stream 018f, record {seq}: its body is not the one that was written." for seq in (4, 8)]


def test_a_rewritten_tail_that_hangs_together_is_found_where_it_was_cut_in(records: list[StoredRecord]) -> None:
    forged = [CODEC.encode(CODEC.decode(record.type, record.v, record.body)) for record in records[5:]]
    tail = list(chained("018f", 5, "ab" * 32, forged, "0.1.0"))
    with pytest.raises(JournalCorrupt, match="record 6: its previous hash is not the hash of the record before it"):
        list(checked([*records[:5], *tail]))


def test_a_report_is_bounded(records: list[StoredRecord]) -> None:
    check = ChainCheck()
    check.check(raw(1, records[0]._replace(body=b"{}")) for _ in range(300))
    assert len(check.report()) == FAULTS_MAX + 1
    assert check.report()[-1] == f"... and {check.faults_count - FAULTS_MAX} more faults."
