"""Anchors reach their destinations, also ones that were away, and never more than a bounded number waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.http_place import HttpPlace, always

from homeostat.app import anchoring
from homeostat.app.anchoring import Anchoring, append_to, destinations_of, post_to
from homeostat.app.audit import make_keys, signing_key
from homeostat.app.audit_table import AuditTable
from homeostat.app.limits import SecretCommandTable, SecretsTable
from homeostat.app.settings import Settings, load_settings
from homeostat.model.entries import ConditionChanged, Entry
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.ports import Batch
from homeostat.model.signals import Snapshot
from homeostat.record.anchors import AnchorCheck, add_anchor, anchor_line, read_anchors
from homeostat.record.keys import PrivateKey, key_id_of, public_pem
from homeostat.record.memory import MemoryJournal


class Told:
    """An observer that keeps what failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def ticked(self, now: float, snapshot: Snapshot, open_incidents: int) -> None: ...

    def appended(self, stream: str, entries: object) -> None: ...

    def failed(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")


@pytest.fixture
def receiver() -> Iterator[HttpPlace]:
    with closing(HttpPlace(always(204))) as place:
        yield place


@pytest.fixture
def journal() -> MemoryJournal:
    journal = MemoryJournal()
    journal.append([Batch("agent", 0, [entry()])])
    return journal


def entry() -> Entry:
    return ConditionChanged(at=1.0, watch="trigger", truth=True)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def running(journal: MemoryJournal, key: PrivateKey, told: Told, *sends: anchoring.Send, every_s: float) -> Anchoring:
    registry = CollectorRegistry()
    named = {f"{number}": send for number, send in enumerate(sends)}
    return Anchoring(journal, key, named, interval_s=every_s, now=lambda: 7.0, observer=told, registry=registry)


def test_what_was_written_last_is_anchored_and_exported_at_the_stop(
    journal: MemoryJournal, receiver: HttpPlace, tmp_path: Path
) -> None:
    key, told, file = PrivateKey.generate(), Told(), tmp_path / "anchors.jsonl"
    first = add_anchor(journal, key, 1.0)
    assert first is not None
    with running(journal, key, told, append_to(file), post_to(f"{receiver.url}/anchors"), every_s=3600.0):
        journal.append([Batch("agent", 1, [entry()])])
    exported, problems = read_anchors(file)
    assert [anchor.position for anchor in exported] == [1, 2], "the one before may not have been exported"
    assert receiver.taken == [anchor_line(anchor) for anchor in exported]
    keys = {key_id_of(key.public_key()): key.public_key()}
    assert journal.verify(AnchorCheck(exported, keys)) == []
    assert (told.failures, problems) == ([], [])


@pytest.mark.parametrize("status", [500, 302])
def test_a_destination_that_refuses_is_told_of_and_tried_again(
    journal: MemoryJournal, receiver: HttpPlace, status: int
) -> None:
    told, receiver.respond = Told(), always(status, {"Location": "/elsewhere"})
    with running(journal, PrivateKey.generate(), told, post_to(f"{receiver.url}/anchors"), every_s=0.01):
        until(lambda: len(told.failures) >= 2)
        assert receiver.taken == []
        receiver.respond = always(200)
        until(lambda: len(receiver.taken) == 1)
    assert told.failures[0] == f"export of anchors to 0: the answer was {status}; tried again later"


def test_only_so_many_wait_for_a_destination_and_the_newest_get_there(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "UNSENT_MAX", 3)
    told, folder = Told(), tmp_path / "away"
    with running(journal, PrivateKey.generate(), told, append_to(folder / "anchors.jsonl"), every_s=0.005):
        for number in range(1, 9):
            journal.append([Batch("agent", number, [entry()])])
            until(lambda position=number + 1: (last := journal.last_anchor()) is not None and last.position == position)  # type: ignore[misc]
        folder.mkdir()
    exported, _ = read_anchors(folder / "anchors.jsonl")
    assert [anchor.position for anchor in exported] == [7, 8, 9]
    assert journal.verify(AnchorCheck(exported)) == []
    assert "No such file or directory" in told.failures[0]


def test_a_line_cut_off_by_a_crash_does_not_swallow_the_next(journal: MemoryJournal, tmp_path: Path) -> None:
    file, key = tmp_path / "anchors.jsonl", PrivateKey.generate()
    anchor = add_anchor(journal, key, 1.0)
    assert anchor is not None
    file.write_bytes(anchor_line(anchor)[:40])
    assert read_anchors(file) == ([], []), "a last line may be one that is being written"
    append_to(file)(anchor)
    append_to(file)(anchor)
    found, problems = read_anchors(file)
    assert found == [anchor, anchor]
    assert [str(problem) for problem in problems] == [f"{file}:1:1: A002 this line is no anchor"]


def test_keys_are_made_once_for_the_owner_alone_and_may_be_elsewhere(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    assert signing_key(settings) is None
    public = make_keys(settings)
    assert (settings.state / "anchor.pub").read_text() == public
    assert (settings.state / "anchor.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="there is a key already"):
        make_keys(settings)
    elsewhere = (settings.state / "anchor.key").rename(tmp_path / "elsewhere.key")
    settings = settings.model_copy(update={"audit": AuditTable(key=f"file:{elsewhere}")})
    key = signing_key(settings)
    assert key is not None
    printed = settings.model_copy(
        update={
            "audit": AuditTable(key="command:print"),
            "secrets": SecretsTable(commands={"print": SecretCommandTable(argv=["cat", str(elsewhere)])}),
        }
    )
    from_command = signing_key(printed)
    assert from_command is not None
    assert public_pem(from_command.public_key()) == public
    elsewhere.write_text("no key")
    with pytest.raises(UsageError, match="no Ed25519 private key in PEM"):
        signing_key(settings)
    elsewhere.unlink()
    with pytest.raises(UsageError, match=r"audit.key: the secret .* cannot be read"):
        signing_key(settings)


def test_a_destination_without_a_key_is_a_mistake(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, audit=AuditTable(export_file=Path("anchors.jsonl")))
    assert list(destinations_of(settings)) == [str(tmp_path / "anchors.jsonl")]
    with pytest.raises(UsageError, match="no key to sign them with"):
        anchoring.anchoring(settings, MemoryJournal(), lambda: 1.0, Told(), CollectorRegistry())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('export_url = "ftp://host"', "must begin with https://"),
        ('export_url = "https://user:password@host/"', "settings are no place for secrets"),
        ('export_url = "https://host/hook?token=secret"', "no query: settings are no place for secrets"),
        ('key = "-----BEGIN PRIVATE KEY-----"', "a reference, env:NAME or file:/PATH, and never"),
        ("anchor_interval_s = 0", "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_place(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "homeostat.toml"
    path.write_text(f"[audit]\n{line}\n")
    with pytest.raises(PolicyError, match=message) as refused:
        load_settings(path)
    assert refused.value.problems[0].position.line == 2
