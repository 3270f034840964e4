"""How a person's word on which ranking rules gets into the journal: by its one writer, whoever that is now."""

from __future__ import annotations

import msgspec

from homeostat.app.listener import hand_ruling_to_agent
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_write
from homeostat.model.entries import RankingPromoted, RankingRolledBack
from homeostat.model.errors import HomeostatError, UsageError
from homeostat.model.ports import Batch
from homeostat.model.streams import policy_stream
from homeostat.record.codec import CODEC
from homeostat.record.inbox import check_name, check_text

Ruling = RankingPromoted | RankingRolledBack


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    """What travels to the agent: an entry as the journal stores it."""

    policy: str
    type: str
    v: int
    body: str


def journal_ruling(settings: Settings, policy: str, head_seq: int, ruling: Ruling) -> bool:
    """Have a ruling journalled; give whether a running agent does it, at its next tick.

    Args:
        settings: of the workspace.
        policy: name.
        head_seq: of the policy's stream, as it was when the ruling was found valid.
        ruling: from `learn.promotion`.

    Raises:
        UsageError: who says so has no name, or the agent refuses.
        JournalError: it cannot be written, or the stream has moved on.
    """
    _check(ruling)
    if settings.store.url is None:
        encoded = CODEC.encode(ruling)
        said = msgspec.json.encode(_Said(policy, encoded.type, encoded.v, encoded.body.decode()))
        if hand_ruling_to_agent(settings.agent.listen, settings.state, said):
            return True
    with journal_to_write(settings) as journal:
        journal.append([Batch(policy_stream(policy), head_seq, [ruling])])
    return False


def ruling_in(body: bytes) -> tuple[str, Ruling]:
    """Read what `journal_ruling` sent: the policy, and the entry. Raises UsageError for anything else."""
    try:
        said = msgspec.json.decode(body, type=_Said)
        ruling = CODEC.decode(said.type, said.v, said.body.encode())
    except (msgspec.MsgspecError, UnicodeError, HomeostatError) as error:
        raise UsageError(f"this is no word on a ranking: {error}") from error
    if not isinstance(ruling, Ruling):
        raise UsageError(f"'{said.type}' is no word on a ranking")
    _check(ruling)
    return said.policy, ruling


def _check(ruling: Ruling) -> None:
    check_name(ruling.actor)
    check_text(ruling.why)
