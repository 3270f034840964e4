"""`python -m homeostat.rig.proxy FOLDER NAME`: a TCP proxy before a server, that can be slow.

Stopped by SIGSTOP it is a partition: connections are taken and nothing comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from homeostat.rig.layout import Layout, read_control

CHUNK_BYTES = 1 << 16


def main() -> None:
    """Serve until ended."""
    layout, name = Layout.load(Path(sys.argv[1])), sys.argv[2]
    asyncio.run(_serve(layout, name))


async def _serve(layout: Layout, name: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", layout.ports[name]), 2.0)
        except (OSError, TimeoutError):
            writer.close()
            return
        delay_s = float(str(read_control(layout, f"{name}_proxy")["delay_s"]))
        pipes = [asyncio.create_task(_pipe(reader, upstream[1], 0.0)),
                 asyncio.create_task(_pipe(upstream[0], writer, delay_s))]  # fmt: skip
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        for end in (upstream[1], writer):
            end.close()

    server = await asyncio.start_server(connected, "127.0.0.1", layout.ports[f"{name}_proxy"])
    async with server:
        await server.serve_forever()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            await asyncio.sleep(delay_s)
            writer.write(chunk)
            await writer.drain()


if __name__ == "__main__":
    main()
