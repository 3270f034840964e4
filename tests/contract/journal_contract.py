"""What every journal must do, whatever it keeps its records in. Inherit, and say how to open one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from tests.contract.entry_strategies import ENTRY_NAMES, entries

from homeostat.model.entries import (
    ENTRY_TYPES,
    ActionEnded,
    ActionIntended,
    ActionReconciled,
    AgentStarted,
    Closed,
    ConditionChanged,
    Entry,
    GuardsLoaded,
    Observed,
    Paused,
    Suspected,
)
from homeostat.model.errors import FactsMovedOn, InvariantError, JournalConflict
from homeostat.model.policy import Effect
from homeostat.model.ports import Batch
from homeostat.model.reasons import OutcomeStatus, Result
from homeostat.model.signals import Reading, Snapshot
from homeostat.record.anchors import Anchor, AnchorCheck, add_anchor
from homeostat.record.chain import GENESIS
from homeostat.record.export import export_stream
from homeostat.record.keys import PrivateKey, key_id_of
from homeostat.record.stored import ARTIFACT_BYTES_MAX, StoredJournal


def suspected(stream: str, at: float = 0.0, dedup_key: str = "shop") -> Suspected:
    return Suspected(at=at, incident=stream, policy="shop", policy_hash="ab", dedup_key=dedup_key, seed=7)


def closed(at: float = 9.0) -> Closed:
    return Closed(at=at, result=Result.RECOVERED)


def changed(at: float = 1.0, watch: str = "trigger") -> ConditionChanged:
    return ConditionChanged(at=at, watch=watch, truth=True)


def intended(key: str, at: float = 2.0) -> ActionIntended:
    return ActionIntended(
        at=at, incident="i", key=key, node="n", action="a", target="t", arguments={"by": 2, "share": 2.0},
        effect=Effect.SAFE, number=1, deadline_at=9.0,
    )  # fmt: skip


def ended(key: str, at: float = 3.0) -> ActionEnded:
    return ActionEnded(at=at, key=key, status=OutcomeStatus.OK, duration_s=1.0)


def content(journal: StoredJournal, stream: str) -> list[Entry]:
    return [record.entry for record in journal.read(stream)]


RESTRICTING = [
    intended("other"),
    suspected("other-incident", dedup_key="other"),
    Paused(at=1.0, by="ann", answer="1"),
    GuardsLoaded(at=1.0, hash="h", text=""),
]


def restricting_stream(entry: Entry) -> str:
    return "other-incident" if isinstance(entry, Suspected) else "agents"


class JournalContract(ABC):
    """The suite."""

    EXAMPLES: ClassVar[int] = 25
    """Generated entries per type; each goes into a journal of its own."""

    @abstractmethod
    def open_new(self) -> StoredJournal:
        """An empty journal of its own."""

    @pytest.fixture
    def journal(self) -> StoredJournal:
        return self.open_new()

    @pytest.mark.parametrize("name", ENTRY_NAMES)
    def test_every_entry_type_comes_back_as_it_went_in(self, name: str) -> None:
        @settings(max_examples=self.EXAMPLES, deadline=None, database=None)
        @given(entries(name))
        def comes_back(entry: Entry) -> None:
            journal = self.open_new()
            before = [suspected("s", dedup_key="x")] if name == Closed.TYPE else []
            journal.append([Batch("s", 0, [*before, entry])])
            assert content(journal, "s") == [*before, entry]
            assert [record.entry for record in journal.since(entry.at, [name])] == [entry]
            assert journal.verify() == []
            journal.close()

        comes_back()

    def test_equal_entries_with_an_int_for_a_float_are_stored_alike(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(at=1)]), Batch("b", 0, [changed(at=1.0)])])
        first, second = next(journal.stored("a")), next(journal.stored("b"))
        assert (first.at, first.body) == (second.at, second.body)

    def test_a_new_journal_is_empty(self, journal: StoredJournal) -> None:
        assert content(journal, "s") == []
        assert journal.head_seq("s") == 0
        assert journal.streams() == journal.incidents() == journal.open_incidents() == journal.verify() == []
        assert list(journal.since(float("-inf"), ENTRY_TYPES)) == []

    def test_records_are_numbered_and_chained_per_stream(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(1), changed(2)]), Batch("b", 0, [changed(3)])])
        journal.append([Batch("a", 2, [changed(4)])])
        records = list(journal.read("a"))
        assert [record.seq for record in records] == [1, 2, 3]
        assert [record.stream for record in records] == ["a", "a", "a"]
        assert [record.prev_hash for record in records] == [GENESIS, records[0].hash, records[1].hash]
        assert len({record.hash for record in [*records, *journal.read("b")]}) == 4
        assert journal.head_seq("a") == 3
        assert journal.head_seq("b") == 1
        assert journal.verify() == []

    def test_two_batches_of_one_stream_follow_each_other(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(1)]), Batch("a", 1, [changed(2)])])
        assert content(journal, "a") == [changed(1), changed(2)]

    def test_nothing_to_append_changes_nothing(self, journal: StoredJournal) -> None:
        journal.append([])
        journal.append([Batch("a", 0, [])])
        assert journal.streams() == []

    @pytest.mark.parametrize("believed", [0, 1, 3])
    def test_a_writer_that_is_wrong_about_the_head_is_refused(self, journal: StoredJournal, believed: int) -> None:
        journal.append([Batch("a", 0, [changed(1), changed(2)])])
        with pytest.raises(JournalConflict, match="stream a is at record 2, not at"):
            journal.append([Batch("b", 0, [changed(3)]), Batch("a", believed, [changed(4)])])
        assert content(journal, "a") == [changed(1), changed(2)]
        assert content(journal, "b") == []

    def test_all_batches_are_written_or_none(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [suspected("a"), intended("k")])])
        exports = list(export_stream(journal, "a"))
        refused: list[Sequence[Batch]] = [
            [Batch("a", 2, [changed()]), Batch("b", 0, [intended("new"), intended("k")])],
            [Batch("a", 2, [closed()]), Batch("b", 0, [closed()])],
            [Batch("a", 2, [ended("k")]), Batch("b", 0, [suspected("b")])],
            [Batch("c", 0, [suspected("c", dedup_key="c")]), Batch("c", 0, [changed()])],
        ]
        for batches in refused:
            with pytest.raises((JournalConflict, InvariantError)):
                journal.append(batches)
        assert list(export_stream(journal, "a")) == exports
        assert journal.streams() == ["a"]
        assert journal.incidents() == journal.open_incidents() == ["a"]
        journal.append([Batch("a", 2, [intended("new"), ended("k"), closed()])])
        assert journal.verify() == []

    @pytest.mark.parametrize("make", [intended, ended])
    def test_a_key_is_intended_once_and_ended_once(self, journal: StoredJournal, make: Callable[[str], Entry]) -> None:
        journal.append([Batch("a", 0, [make("k")])])
        for stream, head_seq in (("a", 1), ("b", 0)):
            with pytest.raises(JournalConflict, match=r"under .*key.* already"):
                journal.append([Batch(stream, head_seq, [make("k")])])
        with pytest.raises(JournalConflict, match=r"under .*key.* already"):
            journal.append([Batch("c", 0, [make("l"), make("l")])])
        journal.append([Batch("a", 1, [intended("k") if make is ended else ended("k"), make("l")])])
        assert journal.head_seq("a") == 3

    def test_one_incident_is_open_under_one_dedup_key(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [suspected("a")])])
        with pytest.raises(JournalConflict, match="open already"):
            journal.append([Batch("b", 0, [suspected("b")])])
        journal.append([Batch("c", 0, [suspected("c", dedup_key="other")])])
        journal.append([Batch("a", 1, [closed()]), Batch("b", 0, [suspected("b")])])
        assert journal.open_incidents() == ["c", "b"]
        journal.append([Batch("b", 1, [closed()]), Batch("d", 0, [suspected("d"), closed()])])
        journal.append([Batch("e", 0, [suspected("e")])])
        assert journal.open_incidents() == ["c", "e"]
        assert journal.incidents() == ["a", "c", "b", "d", "e"]
        assert journal.verify() == []

    def test_an_incident_opens_a_stream_and_closes_once(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed()])])
        with pytest.raises(InvariantError, match="first record"):
            journal.append([Batch("a", 1, [suspected("a")])])
        with pytest.raises(InvariantError, match="no incident is open"):
            journal.append([Batch("a", 1, [closed()])])
        journal.append([Batch("b", 0, [suspected("b"), closed()])])
        with pytest.raises(InvariantError, match="no incident is open"):
            journal.append([Batch("b", 2, [closed()])])
        assert journal.incidents() == ["b"]

    def test_streams_that_are_no_incidents_are_listed_by_prefix(self, journal: StoredJournal) -> None:
        names = ["policy/shop", "agent", "policy/pay", "policy", "018f", "policy/\U0001f4a5", "policz"]
        for name in names:
            journal.append([Batch(name, 0, [changed()])])
        assert journal.streams() == sorted(names)
        assert journal.streams("policy/") == ["policy/pay", "policy/shop", "policy/\U0001f4a5"]
        assert journal.streams("agent") == ["agent"]
        assert journal.streams("x") == []
        assert journal.incidents() == []

    def test_since_gives_types_over_all_streams_in_order_of_writing(self, journal: StoredJournal) -> None:
        journal.append([Batch("b", 0, [intended("1", at=5.0), changed(5.0)]), Batch("a", 0, [intended("2", at=3.0)])])
        journal.append([Batch("b", 2, [ended("1", at=4.0), intended("3", at=4.0)]), Batch("c", 0, [changed(9.0)])])
        types = [ActionIntended.TYPE, ActionEnded.TYPE]
        found = [(record.stream, record.seq) for record in journal.since(4.0, types)]
        assert found == [("b", 1), ("b", 3), ("b", 4)]
        assert [record.stream for record in journal.since(0.0, iter(types))] == ["b", "a", "b", "b"]
        assert list(journal.since(0.0, [])) == list(journal.since(0.0, ["no.such"])) == []
        [first, *_] = journal.since(5.0, types)
        assert first == next(journal.read("b"))

    def test_positions_count_all_records_in_order_of_writing(self, journal: StoredJournal) -> None:
        assert journal.position() == 0
        assert journal.append([Batch("b", 0, [changed(9.0), changed(8.0)]), Batch("a", 0, [changed(7.0)])]) == 3
        with pytest.raises(JournalConflict):
            journal.append([Batch("c", 0, [changed()]), Batch("a", 0, [changed()])])
        assert journal.append([]) == 3
        assert journal.append([Batch("a", 1, [intended("k")]), Batch("b", 2, [changed()])]) == 5
        assert journal.position() == 5
        assert [record.position for record in journal.read("a")] == [3, 4]
        assert [record.position for record in journal.read("b")] == [1, 2, 5]
        assert [record.position for record in journal.since(0.0, ENTRY_TYPES)] == [1, 2, 3, 4, 5]

    def test_after_gives_what_was_written_since_a_position(self, journal: StoredJournal) -> None:
        journal.append([Batch("b", 0, [intended("1"), changed()]), Batch("a", 0, [intended("2"), changed()])])
        types = [ActionIntended.TYPE, ActionEnded.TYPE]
        assert [(record.position, record.stream) for record in journal.after(0, types)] == [(1, "b"), (3, "a")]
        assert [record.position for record in journal.after(1, iter(types))] == [3]
        assert list(journal.after(3, types)) == list(journal.after(99, types)) == list(journal.after(0, [])) == []
        found = journal.after(0, types)
        assert next(found) == next(journal.read("b"))
        journal.append([Batch("b", 2, [ended("1")])])
        assert [record.position for record in found] == [3]
        assert [record.position for record in journal.after(3, types)] == [5]

    def test_a_batch_without_a_head_goes_after_whatever_is_there(self, journal: StoredJournal) -> None:
        journal.append([Batch("agent", None, [changed(1)])])
        journal.append(
            [Batch("agent", 1, [changed(2)]), Batch("agent", None, [changed(3)]), Batch("a", 0, [changed()])]
        )
        journal.append([Batch("agent", None, [changed(4)]), Batch("agent", 4, [changed(5)])])
        assert content(journal, "agent") == [changed(number) for number in (1, 2, 3, 4, 5)]
        with pytest.raises(JournalConflict, match="stream a is at record 1, not at 0"):
            journal.append([Batch("agent", None, [changed(6)]), Batch("a", 0, [changed()])])
        assert journal.head_seq("agent") == 5
        assert journal.verify() == []

    def test_threads_append_to_one_stream_without_a_head(self, journal: StoredJournal) -> None:
        def write(name: str) -> None:
            for number in range(20):
                journal.append([Batch("agent", None, [changed(number, name)])])

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.head_seq("agent") == journal.position() == 60
        assert journal.verify() == []

    @pytest.mark.parametrize("restricting", RESTRICTING)
    def test_a_start_decided_on_old_facts_is_refused(self, journal: StoredJournal, restricting: Entry) -> None:
        seen = journal.append([Batch("a", 0, [intended("k")])])
        journal.append([Batch("a", 1, [ended("k"), changed()]), Batch("other", 0, [changed()])])
        starts = [Batch("s", 0, [changed(), intended("l")])]
        journal.append([Batch(restricting_stream(restricting), 0, [restricting])])
        before = journal.position()
        for entry in (intended("l"), ActionReconciled(at=1.0, key="l")):
            with pytest.raises(FactsMovedOn):
                journal.append([Batch("t", 0, [changed()]), Batch("s", 0, [entry])], seen=seen)
        with pytest.raises(FactsMovedOn):
            journal.append(starts, seen=before - 1)
        assert journal.position() == before
        journal.append([Batch("t", 0, [changed(), ended("x")])], seen=seen)
        journal.append(starts, seen=before)
        journal.append([Batch("s", 2, [ended("l")])], seen=0)
        journal.append([Batch("s", 3, [ActionReconciled(at=1.0, key="l")])])

    def test_other_facts_do_not_stand_in_the_way_of_a_start(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [intended("k")])])
        seen = journal.position()
        journal.append([Batch("a", 1, [ended("k"), changed()])])
        journal.append([Batch("a", 3, [intended("l")])], seen=seen)

    def test_many_streams_are_appended_to_at_once(self, journal: StoredJournal) -> None:
        streams = [f"i{number}" for number in range(50)]
        journal.append([Batch(name, 0, [suspected(name, dedup_key=name), changed()]) for name in streams])
        journal.append([Batch(name, 2, [intended(name), ended(name), closed()]) for name in streams])
        assert (journal.incidents(), journal.open_incidents(), journal.position()) == (streams, [], 250)
        assert [record.seq for record in journal.read("i49")] == [1, 2, 3, 4, 5]
        assert journal.verify() == []

    def test_a_long_stream_is_read_whole_and_as_it_was(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(float(number)) for number in range(1201)])])
        records, recent = journal.read("a"), journal.since(0.0, [ConditionChanged.TYPE])
        next(records), next(recent)
        journal.append([Batch("a", 1201, [changed(5000.0)])])
        assert [record.seq for record in records] == [record.seq for record in recent] == list(range(2, 1202))

    def test_reading_goes_on_while_records_are_appended(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(1), changed(2)])])
        records, recent = journal.read("a"), journal.since(0.0, [ConditionChanged.TYPE])
        assert next(records).seq == next(recent).seq == 1
        journal.append([Batch("a", 2, [changed(3)])])
        assert [record.seq for record in records] == [record.seq for record in recent] == [2]
        assert journal.head_seq("a") == 3

    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), float("-inf"), "\ud800", object()],
        ids=["nan", "inf", "-inf", "surrogate", "object"],
    )
    def test_what_cannot_be_read_back_is_refused_before_it_is_written(
        self, journal: StoredJournal, value: float | str
    ) -> None:
        snapshot = Snapshot(at=1.0, readings={"load": Reading(value=value, sampled_at=1.0)})
        with pytest.raises(InvariantError, match=r"observation\.snapshot cannot be journalled"):
            journal.append([Batch("a", 0, [changed(), Observed(at=1.0, snapshot=snapshot)])])
        assert journal.streams() == []

    def test_the_export_is_the_same_for_the_same_entries(self, journal: StoredJournal) -> None:
        other = self.open_new()
        snapshot = Snapshot(at=1.0, readings={"b": Reading(value=1.0, sampled_at=1.0), "a": Reading(value="x")})
        swapped = msgspec.structs.replace(snapshot, readings=dict(reversed(list(snapshot.readings.items()))))
        journal.append([Batch("a", 0, [Observed(at=1.0, snapshot=snapshot), intended("k")])])
        other.append([Batch("a", 0, [Observed(at=1.0, snapshot=swapped)])])
        other.append([Batch("a", 1, [intended("k")])])
        assert list(export_stream(journal, "a")) == list(export_stream(other, "a"))
        other.close()

    def test_threads_append_side_by_side(self, journal: StoredJournal) -> None:
        def write(stream: str) -> None:
            for number in range(40):
                journal.append([Batch(stream, number, [changed(float(number))])])

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [journal.head_seq(name) for name in "abc"] == [40, 40, 40]
        assert len(list(journal.since(0.0, [ConditionChanged.TYPE]))) == 120
        assert journal.verify() == []

    def test_only_one_of_two_writers_of_a_stream_wins(self, journal: StoredJournal) -> None:
        refused: list[int] = []

        def write(number: int) -> None:
            try:
                journal.append([Batch("a", 0, [AgentStarted(at=1.0, agent=str(number), version="0", seed=1)])])
            except JournalConflict:
                refused.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 3
        assert journal.head_seq("a") == 1

    def test_an_artifact_is_kept_once_under_its_digest(self, journal: StoredJournal) -> None:
        content = b"pods restarted\x00\xff\n"
        digest = sha256(content).hexdigest()
        assert journal.artifact(digest) is None
        journal.keep(digest, content, bytes_total=99, truncated=True, at=1.0)
        journal.keep(digest, content, bytes_total=16, truncated=False, at=5.0)
        assert journal.artifact(digest) == content
        assert journal.verify() == []
        assert journal.discard([digest], stored_before=1.0) == 0, "it was stored at 1.0, once"
        assert journal.discard(["f" * 64, digest], stored_before=2.0) == 1
        assert journal.artifact(digest) is None

    @pytest.mark.parametrize("content", [b"other", bytes(ARTIFACT_BYTES_MAX + 1)], ids=["wrong digest", "too large"])
    def test_an_artifact_that_is_not_what_it_says_is_refused(self, journal: StoredJournal, content: bytes) -> None:
        digest = sha256(content if len(content) > 5 else b"this").hexdigest()
        with pytest.raises(InvariantError, match="artifact"):
            journal.keep(digest, content, bytes_total=len(content), truncated=False, at=1.0)
        assert journal.artifact(digest) is None

    def test_anchors_follow_each_other_and_cover_every_record(self, journal: StoredJournal) -> None:
        key = PrivateKey.generate()
        assert add_anchor(journal, key, 1.0) is None
        assert journal.last_anchor() is None
        journal.append([Batch("a", 0, [changed(), changed()]), Batch("b", 0, [changed()])])
        first = add_anchor(journal, key, 1.0)
        journal.append([Batch("a", 2, [changed()])])
        second = add_anchor(journal, key, 2.0)
        assert first is not None
        assert second is not None
        hashes = [bytes.fromhex(record_hash) for _, record_hash in journal.hashes(0)]
        assert [position for position, _ in journal.hashes(1)] == [2, 3, 4]
        assert (first.position, first.previous) == (3, GENESIS)
        assert first.digest == sha256(bytes(32) + b"".join(hashes[:3])).hexdigest()
        assert (second.position, second.previous) == (4, first.digest)
        assert second.digest == sha256(bytes.fromhex(first.digest) + hashes[3]).hexdigest()
        assert list(journal.anchors()) == [first, second]
        assert journal.last_anchor() == second
        assert add_anchor(journal, key, 3.0) is None, "nothing is new"
        check = AnchorCheck([second], {key_id_of(key.public_key()): key.public_key()})
        assert journal.verify(check) == []
        assert check.count == 2

    def test_an_anchor_that_does_not_follow_is_refused(self, journal: StoredJournal) -> None:
        journal.append([Batch("a", 0, [changed(), changed()])])
        first = add_anchor(journal, PrivateKey.generate(), 1.0)
        assert first is not None
        journal.append([Batch("a", 2, [changed()])])
        for position, previous in ((3, GENESIS), (2, first.digest)):
            with pytest.raises(JournalConflict, match="does not follow"):
                journal.add_anchor(
                    Anchor(
                        position=position, at=1.0, previous=previous, digest=first.digest, key_id="k", signature="00"
                    )
                )
        assert list(journal.anchors()) == [first]

    def test_verify_holds_the_journal_against_exported_anchors(self, journal: StoredJournal) -> None:
        """Another journal's anchors contradict it, and so do its own when it lacks their records."""
        key, other = PrivateKey.generate(), self.open_new()
        for one, count in ((journal, 2), (other, 3)):
            one.append([Batch("a", 0, [changed(at=float(number)) for number in range(count)])])
        anchor = add_anchor(other, key, 1.0)
        assert anchor is not None
        faults = journal.verify(AnchorCheck([anchor]))
        assert len(faults) == 2
        assert "was exported and is not in the journal any more" in faults[0]
        assert "the newest were cut off" in faults[1]
        keys = {key_id_of(key.public_key()): key.public_key()}
        assert other.verify(AnchorCheck([anchor], keys)) == []
        forged = Anchor(
            position=anchor.position, at=2.0, previous=anchor.previous, digest=anchor.digest, key_id=anchor.key_id,
            signature=anchor.signature,
        )  # fmt: skip
        assert any("not signed by its key" in fault for fault in other.verify(AnchorCheck([forged], keys)))

    def test_faults_of_many_anchors_are_counted_and_not_all_told(self, journal: StoredJournal) -> None:
        """The wrong file of anchors, for example."""
        journal.append([Batch("a", 0, [changed()])])
        anchor = add_anchor(journal, PrivateKey.generate(), 1.0)
        assert anchor is not None
        strange = [msgspec.structs.replace(anchor, position=position, digest="ab" * 32) for position in range(2, 302)]
        faults = journal.verify(AnchorCheck(strange))
        assert len(faults) == 101
        # Each of the 300 is not in the journal, follows none, and covers more than there is.
        assert faults[-1] == "... and 800 more faults of anchors."
