"""What a button in Slack carries: what the person saw being asked, to be compared with what is asked when they click.

It grants nothing: whoever could make one up would still have to be bound to a person who may answer just that question.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum

VALUE_MAX = 2000
"""Characters of a button's value (https://docs.slack.dev/reference/block-kit/block-elements/button-element)."""
_TEXT_MAX = 500
_PLAN = re.compile("[0-9a-f]{64}", re.ASCII)
_UNTIL = re.compile(r"[0-9]{1,12}\.[0-9]{3}", re.ASCII)


class ButtonAction(StrEnum):
    """The `action_id` of each button."""

    APPROVE = "homeostat_approve"
    DENY = "homeostat_deny"
    ACKNOWLEDGE = "homeostat_acknowledge"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the person saw.

    Attributes:
        incident: id. node: of the question; "" on the button that acknowledges, as are the rest.
        plan: SHA-256 of the policy version that asked.
        until: when the question expires, in Unix seconds with three decimals.
    """

    incident: str
    node: str = ""
    plan: str = ""
    until: str = ""


def encode(shown: Shown) -> str | None:
    """The value of a button; None where it does not fit into one, and there can be no button."""
    value = json.dumps({"v": 1, **asdict(shown)}, separators=(",", ":"))
    try:
        return value if decode(value, is_question=bool(shown.node)) == shown else None
    except ValueError:
        return None


def decode(value: str, *, is_question: bool) -> Shown:
    """Read a button's value strictly: nothing missing, nothing added, nothing long. Raises ValueError."""
    if len(value) > VALUE_MAX:
        raise ValueError("longer than a button's value")
    try:
        fields = json.loads(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields, dict) or fields.pop("v", None) != 1:
        raise ValueError("not of a version that is known")
    if set(fields) != {"incident", "node", "plan", "until"}:
        raise ValueError("not the fields of a button")
    if not all(isinstance(text, str) and len(text) <= _TEXT_MAX and text.isprintable() for text in fields.values()):
        raise ValueError("not short printable text")
    shown = Shown(**fields)
    if not shown.incident or bool(shown.node) != is_question:
        raise ValueError("of another button")
    if is_question and not (_PLAN.fullmatch(shown.plan) and _UNTIL.fullmatch(shown.until)):
        raise ValueError("without the plan and the end of the question")
    if not is_question and (shown.plan or shown.until):
        raise ValueError("of another button")
    return shown
