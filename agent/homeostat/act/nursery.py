"""The process that runners are forked from, so that one starts in milliseconds. Standard library only.

    python -I -S -c BOOT ROOT DESCRIPTOR    see `launch.py`

An interpreter that imports what a runner needs takes some 70 ms of CPU; a fork of one that has done so takes two. The
nursery does nothing else: it reads no clock and no file, holds no secret, and ends when the agent's end of the socket
closes. Its runners then run on, each in a session of its own.

A request is its length (4 bytes, big-endian) and a JSON object: `folder` of the job, the runner's whole `environment`,
and whether it is a `guard`. The answer is the runner's pid (4 bytes; 0: it could not be forked) and a pidfd (see
pidfd_open(2)), by which the agent learns of its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from homeostat.act import runner
from homeostat.act.job_files import JobFiles

LENGTH = struct.Struct(">I")
PID = struct.Struct(">I")
REQUEST_BYTES_MAX = 8 << 20
"""More than an environment can have (execve(2)); who announces more is not the agent."""


def main(descriptor: int) -> None:
    """Fork a runner for every request until the agent hangs up."""
    agent = socket.socket(fileno=descriptor)
    ended, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
    gc.collect()
    gc.freeze()
    while True:
        ready, _, _ = select.select([agent.fileno(), ended], [], [])
        if ended in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(ended, 4096)
        if agent.fileno() in ready:
            request = _receive(agent)
            if request is None:
                return
            _serve(agent, request)
        # Only here, so that no pid is free for others before its pidfd is open.
        _reap()


def _receive(agent: socket.socket) -> bytearray | None:
    header = _exactly(agent, LENGTH.size)
    length = LENGTH.unpack(header)[0] if header else REQUEST_BYTES_MAX + 1
    return _exactly(agent, length) if length <= REQUEST_BYTES_MAX else None


def _exactly(agent: socket.socket, count: int) -> bytearray | None:
    """Read so many bytes, into one place and no other; None where the agent hangs up before."""
    content = bytearray(count)
    left = memoryview(content)
    while left:
        received = agent.recv_into(left)
        if not received:
            return None
        left = left[received:]
    return content


def _serve(agent: socket.socket, request: bytearray) -> None:
    """Fork a runner. The request is read in the runner alone: there may be secrets in it."""
    try:
        pid = os.fork()
    except OSError:
        pid = -1
    if pid == 0:
        _become_runner(request)
    request[:] = bytes(len(request))
    if pid < 0:
        agent.sendall(PID.pack(0))
        return
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        agent.sendall(PID.pack(pid))
        return
    try:
        socket.send_fds(agent, [PID.pack(pid)], [pidfd])
    finally:
        os.close(pidfd)


def _become_runner(content: bytearray) -> NoReturn:
    """Be a process of one's own, with nothing of the nursery's but its code; then do the job."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        request: dict[str, Any] = json.loads(content)
        files = JobFiles(Path(request["folder"]))
        log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(log, 2)
        os.close(log)
        os.chdir(files.folder)
        os.environ.clear()
        os.environ.update(request["environment"])
        code = runner.main(["--guard", request["folder"]] if request["guard"] else [request["folder"]])
    except BaseException:  # noqa: BLE001 - it must not fall back into the nursery's loop; the log tells
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
