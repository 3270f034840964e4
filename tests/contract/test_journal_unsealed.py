"""Whatever is appended, and whatever is refused, the simulations' journal holds the entries that a sealed one does."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.contract.test_journal_stores_agree import PLANS

from homeostat.model.entries import ENTRY_TYPES, Entry
from homeostat.model.errors import HomeostatError, InvariantError
from homeostat.model.ports import Batch, Journal, Record
from homeostat.record.memory import MemoryJournal
from homeostat.record.unsealed import UnsealedJournal


class SealedAndUnsealed(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sealed, self.unsealed = MemoryJournal(), UnsealedJournal()

    @rule(plans=PLANS, asks=st.booleans(), behind=st.sampled_from([None, 0, 0, 1, 3]))
    def append(self, plans: list[tuple[str, list[Entry], int]], asks: bool, behind: int | None) -> None:
        heads: dict[str, int] = {}
        batches = []
        for stream, entries, error in plans:
            head_seq = heads.setdefault(stream, self.sealed.head_seq(stream))
            batches.append(Batch(stream, head_seq + error if asks else None, entries))
            heads[stream] += len(entries)
        seen = None if behind is None else max(0, self.sealed.position() - behind)
        assert _outcome(self.sealed, batches, seen) == _outcome(self.unsealed, batches, seen)

    @invariant()
    def same(self) -> None:
        one, other = self.sealed, self.unsealed
        assert (one.incidents(), one.open_incidents()) == (other.incidents(), other.open_incidents())
        assert _plain(one.after(0, ENTRY_TYPES)) == _plain(other.after(0, ENTRY_TYPES))
        assert _plain(one.since(1.0, ["action.intent"])) == _plain(other.since(1.0, ["action.intent"]))
        for stream in one.streams():
            assert _plain(one.read(stream)) == _plain(other.read(stream))


def _plain(records: Iterable[Record]) -> list[tuple[str, int, Entry, int]]:
    return [(record.stream, record.seq, record.entry, record.position) for record in records]


def _outcome(journal: Journal, batches: list[Batch], seen: int | None) -> int | type[HomeostatError]:
    try:
        return journal.append(batches, seen=seen)
    except HomeostatError as error:
        return type(error)


TestSealedAndUnsealed = SealedAndUnsealed.TestCase
TestSealedAndUnsealed.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_an_output_that_is_not_what_it_says_is_refused() -> None:
    with pytest.raises(InvariantError, match="digest"):
        UnsealedJournal().keep("00" * 32, b"output", bytes_total=6, truncated=False, at=1.0)
