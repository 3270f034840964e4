"""The WebSocket by which pages hear that something is new."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from homeostat.console.feed import Feed, Subscription, TooManyPages
from homeostat.console.gatekeeper import headers_of
from homeostat.console.identity import Gate
from homeostat.model.errors import HomeostatError

router = APIRouter()
PING_S = 20.0
NOT_ALLOWED = 1008
TRY_AGAIN_LATER = 1013
"""Both of RFC 6455's registry of close codes."""


@router.websocket("/live")
async def live(socket: WebSocket, since: int = 0) -> None:
    """Send `{position, streams, trouble}` whenever the journal grows; a page says `since` which position it knows."""
    feed: Feed = socket.app.state.feed
    await socket.accept()  # the gatekeeper has let it in
    try:
        with feed.subscribed(since) as page:
            telling = asyncio.create_task(_tell(socket, page))
            listening = asyncio.create_task(_listen(socket))
            try:
                await asyncio.wait((telling, listening), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (telling, listening):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, RuntimeError, WebSocketDisconnect):
                        await task
    except TooManyPages:
        await socket.close(TRY_AGAIN_LATER, "too many pages watch already")


async def _listen(socket: WebSocket) -> None:
    while True:
        await socket.receive_text()  # nothing is expected; it ends when the page goes away


async def _tell(socket: WebSocket, page: Subscription) -> None:
    """Tell the page until it goes away, or until who looks at it has no access any more."""
    while True:
        try:
            news = await asyncio.wait_for(page.get(), PING_S)
        except TimeoutError:
            news = None
        if not _may_still_look(socket):
            await socket.close(NOT_ALLOWED, "sign in again")
            return
        if news is None:
            await socket.send_json({})  # a page that hears nothing for long knows that the connection is dead
            continue
        await socket.send_json({"position": news.position, "streams": news.streams, "trouble": news.trouble})


def _may_still_look(socket: WebSocket) -> bool:
    gate: Gate = socket.app.state.gate
    try:
        return gate.caller(headers_of(socket.scope)) is not None
    except HomeostatError:
        return False
