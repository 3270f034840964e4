"""Open pages hear of what is new: once, of all of it, bounded, and over restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from tests.contract.journal_contract import changed, suspected
from tests.unit.console.console_rig import Shop, bearer, served, sign_in, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from homeostat.console.feed import ALL, PAGES_MAX, RECORDS_MAX, STREAMS_MAX, Feed, News, Subscription, TooManyPages
from homeostat.model.entries import Observed
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch
from homeostat.model.signals import Snapshot
from homeostat.record.sqlite import SqliteJournal


def write(shop: Shop, *streams: str) -> int:
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([Batch(stream, journal.head_seq(stream), [changed()]) for stream in streams])
        return journal.position()


@contextmanager
def watching(
    shop: Shop, port: int, since: int = 0, headers: dict[str, str] | None = None
) -> Iterator[ClientConnection]:
    credentials = headers or bearer(shop.tokens["vera"])
    with connect(f"ws://127.0.0.1:{port}/live?since={since}", additional_headers=credentials) as page:
        yield page


def heard(page: ClientConnection) -> Any:
    return json.loads(page.recv(timeout=15))


def test_positions_mean_the_same_after_a_restart_of_the_console(shop: Shop) -> None:
    position = write(shop, "a")
    with served(shop.settings) as port, watching(shop, port, since=position) as page:
        position = write(shop, "a", "b")
        news = wait_for(lambda: (told := heard(page)) and told["position"] == position and told)
        assert set(news["streams"]) in ({"a", "b"}, {"*"})
    missed = write(shop, "c")
    with served(shop.settings) as port, watching(shop, port, since=position) as page:
        news = wait_for(lambda: (told := heard(page)) and told["position"] == missed and told)
        assert news["streams"] == ["*"]
        newest = write(shop, "d")
        assert heard(page) == {"position": newest, "streams": ["d"], "trouble": None}


def test_samples_alone_tell_nobody_anything(shop: Shop) -> None:
    feed = Feed(shop.settings)
    write(shop, "a")
    assert feed._look() is not None
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([Batch("a", 1, [Observed(at=2.0, snapshot=Snapshot(2.0, {}))])])
    assert feed._look() is None
    position = write(shop, "b")
    assert feed._look() == News(position, ("b",))
    assert feed._look() is None


def test_an_empty_workspace_gets_its_first_journal(shop: Shop) -> None:
    feed = Feed(shop.settings)
    assert feed._look() is None
    position = write(shop, "a")
    assert feed._look() == News(position, ALL)


def test_another_journal_in_its_place_changes_everything(shop: Shop) -> None:
    feed = Feed(shop.settings)
    write(shop, "a", "b", "c")
    feed._look()
    for path in shop.settings.state.glob("journal.sqlite*"):
        path.unlink()
    position = write(shop, "a")
    assert feed._look() == News(position, ALL)


def test_trouble_is_told_once_and_its_end_makes_every_page_look_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed(shop.settings)
    position = write(shop, "a")
    feed._look()

    def broken(_self: Feed) -> None:
        raise OSError("no such disk") if feed._position else JournalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(Feed, "_changes", broken)
        assert [feed._look() for _ in range(3)] == [News(position, (), "no such disk"), None, None]
        with feed.subscribed(position) as page:
            assert page.news == News(position, ALL, "no such disk"), "who comes now hears of it too"
    assert feed._look() == News(position, ALL)
    assert feed._look() is None


def test_the_looking_goes_on_whatever_happens(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def broken(_self: Feed) -> None:
        looks.append(1)
        raise RuntimeError

    monkeypatch.setattr(Feed, "_changes", broken)
    monkeypatch.setattr("homeostat.console.feed.LOOK_INTERVAL_S", 0.01)

    async def watch() -> News:
        feed = Feed(shop.settings)
        with feed.subscribed(0) as page:
            async with feed.running():
                while len(looks) < 3:
                    await asyncio.sleep(0.01)
                return await asyncio.wait_for(page.get(), 10)

    assert asyncio.run(watch()).trouble == "RuntimeError"


def test_what_a_page_has_not_read_is_bounded_and_leaves_nothing_out() -> None:
    page = Subscription()
    for number in range(STREAMS_MAX):
        page.put(News(number, (f"s{number}",)))
    assert page.news is not None
    assert len(page.news.streams) == STREAMS_MAX
    page.put(News(STREAMS_MAX, ("one-more",)))
    assert page.news == News(STREAMS_MAX, ALL)
    page.put(News(STREAMS_MAX + 1, ("another",)))
    assert page.news == News(STREAMS_MAX + 1, ALL)


def test_a_long_absence_is_not_read_record_by_record(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(shop.settings)
    write(shop, "a")
    feed._look()
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([Batch("b", 0, [changed()] * (RECORDS_MAX + 1))])
    monkeypatch.setattr(SqliteJournal, "after", None)
    assert feed._look() == News(RECORDS_MAX + 2, ALL)


def test_one_page_more_than_there_may_be_is_refused_and_one_less_lets_it_in(shop: Shop) -> None:
    feed = Feed(shop.settings)
    subscriptions = [feed.subscribed(0) for _ in range(PAGES_MAX)]
    for one in subscriptions:
        one.__enter__()
    with pytest.raises(TooManyPages), feed.subscribed(0):
        pass
    subscriptions[0].__exit__(None, None, None)
    with feed.subscribed(0):
        pass


def test_a_refused_page_is_told_to_try_again_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeostat.console.feed.PAGES_MAX", 1)
    with served(shop.settings) as port, watching(shop, port), watching(shop, port) as second:
        with pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=15)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def test_a_page_of_another_site_cannot_listen(shop: Shop) -> None:
    with served(shop.settings) as port:
        app = shop.app()
        cookie = sign_in(app, shop.tokens["vera"])
        for foreign in (
            {},
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site", "origin": f"http://127.0.0.1:{port}"},
        ):
            with pytest.raises(InvalidStatus) as refused, watching(shop, port, headers={**cookie, **foreign}):
                pass
            assert refused.value.response.status_code == 403
        with watching(shop, port, headers={**cookie, "origin": f"http://127.0.0.1:{port}"}):
            pass
        with pytest.raises(InvalidStatus), watching(shop, port, headers=bearer("wrong")):
            pass


def test_a_page_of_somebody_whose_access_was_taken_away_hears_nothing_more(shop: Shop) -> None:
    write(shop, "a")
    with served(shop.settings) as port, watching(shop, port) as page:
        wait_for(lambda: heard(page)["position"] == 1)
        shop.access.revoke("vera")
        write(shop, "secret")
        with pytest.raises(ConnectionClosed) as closed:
            page.recv(timeout=15)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_page_that_talks_too_much_is_hung_up_on(shop: Shop) -> None:
    with served(shop.settings) as port, watching(shop, port) as page:
        page.send("x" * 5000)
        with pytest.raises(ConnectionClosed):
            list(page)


def test_an_incident_of_the_journal_is_named_by_its_stream(shop: Shop) -> None:
    feed = Feed(shop.settings)
    write(shop, "a")
    feed._look()
    with closing(SqliteJournal(shop.settings.journal)) as journal:
        journal.append([Batch("i", 0, [suspected("i")])])
    news = feed._look()
    assert news is not None
    assert news.streams == ("i",)
