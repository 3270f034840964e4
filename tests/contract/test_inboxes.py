from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.contract.inbox_contract import InboxContract, LateOutcomesContract, answer, done
from tests.contract.journal_contract import closed, suspected
from tests.postgres_cluster import Cluster

from homeostat.model.answers import Answer
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch, Inbox, LateOutcomes
from homeostat.record import inbox
from homeostat.record.inbox import FolderInbox
from homeostat.record.memory_inbox import MemoryInbox, MemoryLateOutcomes
from homeostat.record.postgres import PostgresJournal
from homeostat.record.postgres_connection import Server
from homeostat.record.postgres_inbox import PostgresInbox, PostgresLateOutcomes


def fails(what: str, error: Exception) -> None:
    raise AssertionError(what) from error


class TestFolderInbox(InboxContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path / "inbox"

    def inboxes(self) -> tuple[Inbox, Inbox]:
        return FolderInbox(self._folder, fails), FolderInbox(self._folder, fails)

    def put(self, answer: Answer) -> None:
        inbox.put(self._folder, answer)


class TestMemoryInboxes(InboxContract, LateOutcomesContract):
    @pytest.fixture(autouse=True)
    def inbox(self) -> None:
        self._inbox = MemoryInbox()

    def inboxes(self) -> tuple[Inbox, Inbox]:
        return self._inbox, self._inbox

    def put(self, answer: Answer) -> None:
        self._inbox.put(answer)

    def late_outcomes(self) -> tuple[LateOutcomes, LateOutcomes]:
        one = MemoryLateOutcomes()
        return one, one


class TestPostgresInboxes(InboxContract, LateOutcomesContract):
    @pytest.fixture(autouse=True)
    def server(self, cluster: Cluster) -> Iterator[None]:
        self._url = cluster.database()
        self._server = Server.of(self._url, 5.0)
        self._failed: list[str] = []
        self._inbox = PostgresInbox(self._server, lambda what, error: self._failed.append(f"{what}: {error}"))
        self._other = PostgresInbox(self._server, fails)
        self._late = PostgresLateOutcomes(self._server), PostgresLateOutcomes(self._server)
        yield
        for opened in (self._inbox, self._other, *self._late):
            opened.close()

    def inboxes(self) -> tuple[Inbox, Inbox]:
        return self._inbox, self._other

    def put(self, answer: Answer) -> None:
        self._other.put(answer)

    def late_outcomes(self) -> tuple[LateOutcomes, LateOutcomes]:
        return self._late

    def test_a_row_that_is_no_answer_is_set_aside(self, cluster: Cluster) -> None:
        self.put(answer("good"))
        name = self._url.rsplit("/", 1)[1]
        with cluster.superuser(name) as connection:
            nested = '{"x":' + "[" * 8000 + "]" * 8000 + "}"
            other_id = '{"id":"x","kind":"approve","by":"a","at":1}'
            for number, body in enumerate(['{"id": 1}', "no json", other_id, nested]):
                connection.execute("INSERT INTO inbox (id, kind, body) VALUES (%s, 'answer', %s)", (str(number), body))
        assert list(self._inbox.collect()) == [answer("good")]
        assert len(self._failed) == 4
        assert list(self._other.collect()) == [answer("good")]

    def test_of_a_huge_row_no_more_is_fetched_than_an_answer_may_have(self, cluster: Cluster) -> None:
        with cluster.superuser(self._url.rsplit("/", 1)[1]) as connection:
            connection.execute("INSERT INTO inbox (id, kind, body) VALUES ('x', 'answer', repeat('x', 1000000))")
        fetched: list[int] = []
        query = self._inbox._rows.query

        def noting(statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
            rows = query(statement, parameters)
            fetched.extend(len(column) for row in rows for column in row)
            return rows

        self._inbox._rows.query = noting  # type: ignore[method-assign]  # the real one is behind it
        assert list(self._inbox.collect()) == []
        assert len(self._failed) == 1
        assert max(fetched) <= inbox.BYTES_MAX + 1

    @pytest.mark.parametrize("body", ["{}", '{"x":' + "[" * 8000 + "]" * 8000 + "}"])
    def test_word_that_cannot_be_read_is_told_of_and_holds_up_no_other(self, cluster: Cluster, body: str) -> None:
        late, _ = self._late
        late.put("i", "i/n/1", done())
        with cluster.superuser(self._url.rsplit("/", 1)[1]) as connection:
            connection.execute("INSERT INTO inbox (id, kind, key, body) VALUES ('x', 'outcome', 'i/n/2', %s)", (body,))
        with pytest.raises(JournalError, match="i/n/2"):
            late.collect(["i/n/1", "i/n/2"])
        assert dict(late.collect(["i/n/1", "i/n/2"])) == {"i/n/1": done()}

    def test_word_of_an_incident_goes_when_it_is_closed(self) -> None:
        journal = PostgresJournal(self._url, agent="a", spool="s")
        journal.append([Batch("i", 0, [suspected("i")])])
        late, _ = self._late
        late.put("i", "i/n/1", done())
        late.put("other", "other/n/1", done())
        journal.append([Batch("i", 1, [closed()])])
        assert set(late.collect(["i/n/1", "other/n/1"])) == {"other/n/1"}
        journal.close()

    def test_an_inbox_that_cannot_be_reached_says_so(self, cluster: Cluster) -> None:
        away = Server.of(cluster.url("no_such_database"), 1.0)
        inbox = PostgresInbox(away, lambda what, error: self._failed.append(f"{what}: {error}"))
        assert list(inbox.collect()) == []
        inbox.settle(["a"])
        assert len(self._failed) == 2
        assert all("create the database" in failed for failed in self._failed)
        with pytest.raises(JournalError, match="nothing was put into the inbox"):
            inbox.put(answer("a"))
        with pytest.raises(JournalError, match="cannot be reached"):
            PostgresLateOutcomes(away).collect(["k"])
