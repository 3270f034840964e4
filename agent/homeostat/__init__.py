"""Homeostat: recovery plans that run, prove themselves and learn.

Importing this package imports nothing heavy. `docs/architecture.md` is the map; `decide/step.py` is the heart.
"""

from __future__ import annotations

from homeostat.version import __version__ as __version__

TYPE_CHECKING = False  # as type checkers know it; `typing` itself costs more than all of this
if TYPE_CHECKING:
    import os

    from homeostat.app.history import History


def open(place: str | os.PathLike[str], *, password: str | None = None) -> History:  # noqa: A001 - as `zipfile`, `dbm`
    """Open past incidents for reading as tidy frames; `with homeostat.open(...) as history:` closes them again.

    Args:
        place: a workspace, a state folder or the journal's file in it, a folder of recorded incidents, an
            export (`homeostat audit export`, packed with gzip or not), or `postgresql://USER@HOST:PORT/DATABASE` of a
            shared journal.
        password: of a shared journal, by reference: `env:NAME` or `file:/PATH`.

    Raises:
        UsageError: nothing of the kind is there. PolicyError: the settings or a recording are invalid.
        JournalError: the journal cannot be read.
    """
    # A second of imports that nobody else waits for.
    from homeostat.app.opening import open_history

    return open_history(place, password=password)
