"""Whether what PostgreSQL acknowledges survives: for `doctor`, which asks, and for people, who may correct it."""

from __future__ import annotations

import psycopg

from homeostat.record.postgres_connection import Server

_ASK = """
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
       current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)"""


def standby_faults(server: Server, *, required: bool = False) -> list[str]:
    """Give one sentence for each way in which acknowledged records could be lost; none for a safe server.

    Args:
        server: to ask.
        required: the agents start nothing without a synchronous standby, so its absence is worth a sentence too.

    Raises:
        JournalError: the server cannot be asked.
    """
    try:
        with server.connect("homeostat doctor", writing=True) as connection:
            row = connection.execute(_ASK).fetchone()
    except psycopg.Error as error:
        raise server.unreachable(error) from error
    fsync, full_page_writes, commit, names, standbys = row or ("on", "on", "on", "", 0)
    faults = []
    if fsync != "on" or full_page_writes != "on":
        faults.append("fsync or full_page_writes is off: a power cut can destroy the journal; switch both on.")
    if commit == "off":
        faults.append(
            "synchronous_commit is off for this user; the agent switches it on for what it writes, other tools do not."
        )
    if required and not names:
        faults.append(
            "store.require_synchronous_standby is true and synchronous_standby_names is empty, so nothing will be"
            " started; name the standbys on the server."
        )
    elif standbys and not names:
        faults.append(
            f"replication is asynchronous ({standbys} standby): when it takes over, records that were acknowledged can"
            " be missing, and actions start twice; set synchronous_standby_names, and"
            " store.require_synchronous_standby."
        )
    if names and commit not in ("on", "remote_apply"):
        faults.append(
            f"synchronous_commit is {commit}, so a standby that takes over can lack acknowledged records; set it to on"
            " or remote_apply."
        )
    return faults
