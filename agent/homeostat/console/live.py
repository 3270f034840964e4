"""The WebSocket by which pages hear that something is new."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from homeostat.console.feed import Feed, Subscription, TooManyPages

router = APIRouter()
PING_S = 20.0
TRY_AGAIN_LATER = 1013
"""RFC 6455's registry of close codes."""


@router.websocket("/live")
async def live(socket: WebSocket, since: int = 0) -> None:
    """Send `{position, streams, trouble}` whenever the journal grows; a page says `since` which position it knows."""
    feed: Feed = socket.app.state.feed
    await socket.accept()
    try:
        with feed.subscribed(since) as page:
            telling = asyncio.create_task(_tell(socket, page))
            try:
                while True:
                    await socket.receive_text()  # nothing is expected; it ends when the page goes away
            finally:
                telling.cancel()
                with contextlib.suppress(asyncio.CancelledError, RuntimeError, WebSocketDisconnect):
                    await telling
    except TooManyPages:
        await socket.close(TRY_AGAIN_LATER, "too many pages watch already")
    except WebSocketDisconnect:
        pass


async def _tell(socket: WebSocket, page: Subscription) -> None:
    while True:
        try:
            news = await asyncio.wait_for(page.get(), PING_S)
        except TimeoutError:
            await socket.send_json({})  # a page that hears nothing for long knows that the connection is dead
            continue
        await socket.send_json({"position": news.position, "streams": news.streams, "trouble": news.trouble})
