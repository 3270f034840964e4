"""A drill, and the entry that says so in the journal of the agent that was drilled."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from homeostat.app.settings import FILE_NAME, load_settings
from homeostat.model.entries import DrillRan
from homeostat.model.ports import Batch
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.sqlite import SqliteJournal
from homeostat.rig.drill import DrillResult, run_drill
from homeostat.rig.faults import Fault
from homeostat.rig.layout import Layout


def drill(layout: Layout, fault: Fault, policies: Path) -> DrillResult:
    """Try one fault against the agent, and journal that it was a drill, so that nothing is learnt of it.

    Raises:
        UsageError: the fault cannot be tried here, or the policies are not there.
        ActuatorError: the rig itself failed.
        JournalError: the agent's journal cannot be written.
    """
    result = run_drill(layout, fault, policies)
    settings = load_settings(Path(result.workspace) / FILE_NAME)
    ran = DrillRan(at=time.time(), fault=result.fault, began_at=result.began_at, passed=result.passed, why=result.why)
    with closing(SqliteJournal(settings.journal)) as journal:
        journal.append([Batch(AGENT_STREAM, None, [ran])])
    return result
