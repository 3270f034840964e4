"""A job of another service, started at most once and followed to its end. Standard library only.

The service keeps the idempotency key with each job, and is searched for it before anything is started: what is found is
followed, not started again. After a start whose answer was lost, and after a runner that was killed, the search alone
tells; a start is never repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.remote_session import NoAnswerError, OverError, Pauses, Session
from homeostat.act.wakeup import Wakeup

COMMON_HEADERS = {"User-Agent": "homeostat", "Accept": "application/json", "Connection": "close"}

STOP_S_MIN = 10.0
"""How long to wait at least for a job that was told to stop."""

_NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError)

J = TypeVar("J")


class RefusedByServiceError(Exception):
    """The service would not have it; nothing was started."""


class Look(NamedTuple, Generic[J]):
    """How a job stands: where it is to be looked for from now on, and how it ended; None while it has not."""

    job: J
    ended: Ending | None


class Service(Protocol[J]):
    """A service that runs jobs. Every method may raise OverError; of a job that is gone, DoubtError."""

    session: Session
    name: str

    def check(self) -> None:
        """Make sure that the job can be started and keeps the key. Raises RefusedByServiceError."""

    def find(self) -> J | None:
        """Search for the job that has the key; None where there surely is none. Raises DoubtError."""

    def start(self, in_time: Callable[[], None]) -> J:
        """Start it.

        Raises:
            RefusedByServiceError: the service has not taken it.
            NoAnswerError: it may have taken it, or `sent` is false.
            TooLateError: `in_time` has raised it right before the request; another agent may have started it since.
        """

    def look(self, job: J, output: OutputFile) -> Look[J]:
        """See how it stands, and take what it has printed since."""

    def stop(self, job: J) -> None:
        """Ask for its end; an answer may be lost, since `look` tells."""

    def told(self, job: J) -> str:
        """What people call it, like `build #7`."""


def session_for(
    files: JobFiles,
    job: Mapping[str, Any],
    headers: Mapping[str, str],
    bell: Wakeup,
) -> Session:
    """The session of a job's runner, or of who takes its place: until the job's time is over."""
    begun = files.read_begun()
    spent_s = 0.0 if begun is None else max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun.boottime_s)

    def stopped() -> bool:
        return bell.stop_signal is not None or files.cancel_requested()

    # After a restart of the host the boot's clock says nothing of the time before it.
    left_s = max(job["timeout_s"] - spent_s, 0.0)
    return Session(job["url"], {**COMMON_HEADERS, **headers}, bell, stopped, time.monotonic() + left_s)


def run_remote(
    files: JobFiles, job: Mapping[str, Any], service: Service[J], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find it or start it, and follow it to its end. Raises DoubtError."""
    remote: J | None = None
    begun = False
    try:
        service.check()
        remote = service.find()
        files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
        begun = True
        if remote is None:
            remote = _started(service, job)
        return _followed(service, remote, output)
    except RefusedByServiceError as refused:
        return Ending("error", None, f"nothing was run: {refused}")
    except TooLateError:
        return Ending("cancelled", None, TOO_LATE)
    except (DoubtError, *_NOT_UNDERSTOOD) as error:
        doubt = _doubt(service, error)
        if begun:
            raise doubt from None
        return Ending("error", None, f"nothing was run: {doubt}")
    except OverError as over:
        # Only the call that starts it can have had an effect; all before it were looks.
        if remote is None and not (begun and over.sent):
            status, why = _why(files, job, bell)
            return Ending(status, None, f"nothing was run: {why}")
    return _stopped(_why(files, job, bell), job, service, output, remote)


def resume_remote(
    files: JobFiles, job: Mapping[str, Any], service: Service[J], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find what a dead runner started, and follow it to its end. Raises DoubtError."""
    remote: J | None = None
    try:
        remote = _seen(service, job["settle_s"])
        if remote is None:
            return _never_taken(service)
        return _followed(service, remote, output)
    except _NOT_UNDERSTOOD as error:
        raise _doubt(service, error) from None
    except OverError:
        return _stopped(_why(files, job, bell), job, service, output, remote)


def _doubt(service: Service[J], error: Exception) -> DoubtError:
    if isinstance(error, DoubtError):
        return error
    return DoubtError(f"{service.name} gave an answer that cannot be understood ({type(error).__name__})")


def _never_taken(service: Service[J]) -> Ending:
    return Ending("error", None, f"its runner was killed, and {service.name} knows of nothing that has its key")


def _started(service: Service[J], job: Mapping[str, Any]) -> J:
    def in_time() -> None:
        if came_too_late(job):
            raise TooLateError

    try:
        return service.start(in_time)
    except NoAnswerError as lost:
        if not lost.sent:
            raise RefusedByServiceError(str(lost)) from None
        try:
            found = _seen(service, job["settle_s"])
        except OverError:
            raise OverError(sent=True) from None
        if found is None:
            what = f"the request was sent, but no usable answer came ({lost})"
            raise DoubtError(f"{what}, and {service.name} shows nothing that has its key") from None
        return found


def _seen(service: Service[J], settle_s: float) -> J | None:
    """Search for as long as a request may be on its way."""
    until, pauses = time.monotonic() + settle_s, Pauses(0.3)
    while True:
        found = service.find()
        if found is not None or time.monotonic() >= until:
            return found
        service.session.pause(pauses.next_s())


def _followed(service: Service[J], remote: J, output: OutputFile) -> Ending:
    pauses = Pauses()
    while True:
        look = service.look(remote, output)
        if look.ended is not None:
            return look.ended
        remote = look.job
        service.session.pause(pauses.next_s())


def _why(files: JobFiles, job: Mapping[str, Any], bell: Wakeup) -> tuple[str, str]:
    if files.cancel_requested():
        return "cancelled", "cancelled"
    if bell.stop_signal is not None:
        return "cancelled", f"its runner was sent {bell.stop_signal.name}"
    return "timeout", f"no end within {job['timeout_s']:g} s"


def _stopped(
    reason: tuple[str, str], job: Mapping[str, Any], service: Service[J], output: OutputFile, remote: J | None
) -> Ending:
    """Have it stopped, and wait until the service says that it has; else nobody knows."""
    status, why = reason
    service.session.extend(max(job["cancel_grace_s"], STOP_S_MIN))
    what = "what was started"
    try:
        if remote is None:
            remote = _seen(service, job["settle_s"])
        if remote is None:
            raise DoubtError(f"{why}; a start was on its way, and {service.name} shows nothing that has its key")
        asked: J | None = None
        pauses = Pauses()
        while True:
            look = service.look(remote, output)
            if look.ended is not None:
                ended = look.ended
                return ended if ended.status == "ok" else Ending(status, None, f"{why}; {ended.detail}")
            remote, what = look.job, service.told(look.job)
            # What waited in a queue may have become something else by the time it was told to stop.
            if remote != asked:
                service.stop(remote)
                asked = remote
            service.session.pause(pauses.next_s())
    except _NOT_UNDERSTOOD as error:
        raise _doubt(service, error) from None
    except OverError:
        raise DoubtError(f"{why}; {what} was told to stop, and may still run") from None
