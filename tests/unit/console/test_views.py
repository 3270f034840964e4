"""What the pages show: right on an empty workspace, and cheap on a long journal."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.contract.journal_contract import closed, suspected
from tests.unit.console.console_rig import Shop, ask, bearer, sign_in

from homeostat.console import views
from homeostat.console.gatekeeper import Gatekeeper
from homeostat.console.views import RECENT_MAX, overview
from homeostat.model import entries as e
from homeostat.model.ports import Batch, Record
from homeostat.record.sqlite import SqliteJournal

INCIDENTS = 1000
OPEN = 3
ENDS = (e.Recovered(at=8.0), closed())


@pytest.fixture
def long(shop: Shop) -> Shop:
    """A workspace with a thousand incidents, three of them open."""
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([batch(f"i{number:06}", is_open=number < OPEN) for number in range(INCIDENTS)])
    return shop


def batch(name: str, *, is_open: bool) -> Batch:
    began = [suspected(name, dedup_key=name), e.Confirmed(at=1.0)]
    return Batch(name, 0, began if is_open else [*began, *ENDS])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which streams are read from now on."""
    read: list[str] = []
    original = SqliteJournal.read

    def noted(self: SqliteJournal, stream: str) -> Iterator[Record]:
        read.append(stream)
        return original(self, stream)

    monkeypatch.setattr(SqliteJournal, "read", noted)
    return read


def test_an_empty_workspace_has_pages(app: Gatekeeper, shop: Shop) -> None:
    cookie = sign_in(app, shop.tokens["vera"])
    page = ask(app, "GET", "/", cookie)
    assert page.status == 200
    assert b"No agent has ever run here" in page.body
    assert b"No incident has been closed yet" in page.body
    empty = ask(app, "GET", "/api/v1/overview", bearer(shop.tokens["vera"])).json()
    assert empty == {
        "position": 0,
        "agent": None,
        "pauses": [],
        "pending": [],
        "open": [],
        "recent": [],
        "alerts": [],
        "alerts_left_out": 0,
    }
    assert ask(app, "GET", "/incidents/none", cookie).status == 404


def test_only_the_open_and_the_newest_are_folded(long: Shop, reads: list[str]) -> None:
    seen = overview(long.settings)
    assert [row.id for row in seen.open] == ["i000002", "i000001", "i000000"]
    newest = [f"i{INCIDENTS - 1 - number:06}" for number in range(RECENT_MAX)]
    assert [row.id for row in seen.recent] == newest
    assert sorted(set(reads)) == sorted({"agent", "i000000", "i000001", "i000002", *newest})
    assert len(reads) == 1 + OPEN + RECENT_MAX


def test_fifty_pages_at_once_cost_one_fold(long: Shop, reads: list[str]) -> None:
    with ThreadPoolExecutor(10) as pool:
        seen = list(pool.map(lambda _: overview(long.settings), range(50)))
    assert all(one is seen[0] for one in seen)
    assert len(reads) == 1 + OPEN + RECENT_MAX


def test_what_is_new_in_one_incident_folds_that_one_alone(long: Shop, reads: list[str]) -> None:
    overview(long.settings)
    reads.clear()
    with closing(SqliteJournal(long.settings.journal)) as journal:
        journal.append([Batch("i000001", 2, ENDS)])
    seen = overview(long.settings)
    assert [row.id for row in seen.open] == ["i000002", "i000000"]
    assert seen.recent[0].id == f"i{INCIDENTS - 1:06}"
    assert reads == ["agent"], "closed long before the newest, it is in no list any more"
    with closing(SqliteJournal(long.settings.journal)) as journal:
        journal.append([Batch("i000002", 2, [e.ConditionChanged(at=40.0, watch="resolved", truth=True)])])
    reads.clear()
    overview(long.settings)
    assert sorted(reads) == ["agent", "i000002"]


def test_two_workspaces_are_not_taken_for_each_other(long: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Shop(tmp_path_factory.mktemp("other") / "w")
    assert overview(long.settings).open
    with closing(SqliteJournal(other.settings.journal)) as journal:
        journal.append([batch("i000000", is_open=False)])
    assert overview(other.settings).open == []
    assert [row.result for row in overview(other.settings).recent] == ["recovered"]


def test_what_is_kept_is_bounded(long: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views._lists, "_keys_max", 10)
    views._lists._values.clear()
    overview(long.settings)
    assert len(views._lists._values) <= 10


def test_an_incident_that_cannot_be_read_hides_no_other(shop: Shop, app: Gatekeeper) -> None:
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        twice = [suspected("bad", dedup_key="bad"), e.Recovered(at=1.0)]
        journal.append([batch("good", is_open=True), Batch("bad", 0, twice)])
    rows = {row.id: row for row in overview(shop.settings).open}
    assert (rows["good"].phase, rows["bad"].phase) == ("deciding", "unreadable")
    assert "cannot 'recover'" in rows["bad"].last
    cookie = sign_in(app, shop.tokens["vera"])
    assert ask(app, "GET", "/", cookie).status == 200
    told = ask(app, "GET", "/incidents/bad", cookie)
    assert (told.status, b"recover" in told.body) == (503, True)
