"""Tells open pages that something new was journalled; what it was, they ask for themselves.

One look at the journal serves all pages. A message is a journal position and the streams that changed up to it, so it
means the same after a restart of the console, and a page that was away asks from where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field

from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.model.entries import ENTRY_TYPES, Observed

LOOK_INTERVAL_S = 0.3
PAGES_MAX = 200
STREAMS_MAX = 1000
RECORDS_MAX = 5000
"""More than these since the last look are not read one by one."""
ALL = ("*",)
"""Anything may have changed."""
TYPES = tuple(sorted(set(ENTRY_TYPES) - {Observed.TYPE}))
"""Samples alone change no page."""


@dataclass(frozen=True, slots=True)
class News:
    """`streams` have changed up to `position`. `trouble`: the journal cannot be read, and why."""

    position: int
    streams: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(eq=False)
class Subscription:
    """What one page has not been told yet: the newest position, and all streams since; it never grows beyond them."""

    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    news: News | None = None

    def put(self, news: News) -> None:
        """Add to what is to be told."""
        before = self.news.streams if self.news is not None else ()
        streams = dict.fromkeys((*before, *news.streams))
        self.news = News(news.position, bounded(streams), news.trouble)
        self.waiting.set()

    async def get(self) -> News:
        """Wait for the next."""
        while self.news is None:
            self.waiting.clear()
            await self.waiting.wait()
        news, self.news = self.news, None
        return news


def bounded(streams: Collection[str]) -> tuple[str, ...]:
    """The streams, or where they are too many to name: all. None may be left out, or its pages would never hear."""
    return tuple(streams) if len(streams) <= STREAMS_MAX and "*" not in streams else ALL


class TooManyPages(Exception):
    """Nobody more can watch."""


class Feed:
    """Looks at the journal while the console runs, and tells who has subscribed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pages: set[Subscription] = set()
        self._position = 0
        self._trouble: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look until the block ends."""
        task = asyncio.create_task(self._look_for_ever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @contextlib.contextmanager
    def subscribed(self, since: int) -> Iterator[Subscription]:
        """Be told from a position on. One that is behind is told at once that anything may have changed.

        Raises:
            TooManyPages: `PAGES_MAX` watch already.
        """
        if len(self._pages) >= PAGES_MAX:
            raise TooManyPages
        page = Subscription()
        if since != self._position or self._trouble is not None:
            page.put(News(self._position, ALL, self._trouble))
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)

    async def _look_for_ever(self) -> None:
        while True:
            news = await asyncio.to_thread(self._look)
            if news is not None:
                for page in self._pages:
                    page.put(news)
            await asyncio.sleep(LOOK_INTERVAL_S)

    def _look(self) -> News | None:
        """What is new; None: nothing."""
        try:
            position, streams = self._changes()
        except Exception as error:  # noqa: BLE001 - an end of the looking would leave pages that seem live, and old
            told, self._trouble = self._trouble, str(error) or type(error).__name__
            return News(self._position, (), self._trouble) if told != self._trouble else None
        was_troubled, self._trouble = self._trouble is not None, None
        if position == self._position and not was_troubled:
            return None
        self._position = position
        if was_troubled:
            return News(position, ALL)
        return News(position, streams) if streams else None

    def _changes(self) -> tuple[int, tuple[str, ...]]:
        if not has_journal(self._settings):
            return 0, ()
        with journal_to_read(self._settings) as journal:
            position = journal.position()
            if position == self._position:
                return position, ()
            if position < self._position or self._position == 0:
                return position, ALL  # another journal than before, or the first look
            if position - self._position > RECORDS_MAX:
                return position, ALL
            records = journal.after(self._position, TYPES)
            return position, bounded(dict.fromkeys(record.stream for record in records))
