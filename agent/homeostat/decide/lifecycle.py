"""The incident's lifecycle, a `transitions` machine. The only place that knows which phase may follow which.

The machine is synchronous, has no callbacks and is shared by all incidents: a phase goes in, a phase comes out.
"""

from __future__ import annotations

from functools import cache
from threading import Lock

from transitions import Machine, MachineError

from homeostat.model.errors import JournalCorrupt
from homeostat.model.reasons import Phase

ACTIVE = frozenset({Phase.DECIDING, Phase.AWAITING_APPROVAL, Phase.ACTING, Phase.VERIFYING, Phase.RECONCILING})
"""Phases in which the plan is being carried out."""

_ACTIVE = [phase.value for phase in Phase if phase in ACTIVE]

TRANSITIONS: list[dict[str, object]] = [
    {"trigger": "suspect", "source": Phase.DORMANT.value, "dest": Phase.CONFIRMING.value},
    {"trigger": "confirm", "source": Phase.CONFIRMING.value, "dest": Phase.DECIDING.value},
    {"trigger": "dismiss", "source": Phase.CONFIRMING.value, "dest": Phase.DISMISSED.value},
    {"trigger": "ask", "source": _ACTIVE, "dest": Phase.AWAITING_APPROVAL.value},
    {"trigger": "act", "source": _ACTIVE, "dest": Phase.ACTING.value},
    {"trigger": "verify", "source": _ACTIVE, "dest": Phase.VERIFYING.value},
    {"trigger": "reconcile", "source": _ACTIVE, "dest": Phase.RECONCILING.value},
    {"trigger": "reconsider", "source": _ACTIVE, "dest": Phase.DECIDING.value},
    {
        "trigger": "recover",
        "source": [Phase.DECIDING.value, Phase.AWAITING_APPROVAL.value],
        "dest": Phase.RECOVERED.value,
    },
    {"trigger": "escalate", "source": [Phase.CONFIRMING.value, *_ACTIVE], "dest": Phase.ESCALATED.value},
    {
        "trigger": "close",
        "source": [Phase.RECOVERED.value, Phase.ESCALATED.value, Phase.DISMISSED.value],
        "dest": Phase.CLOSED.value,
    },
]


class _Token:
    """The machine's model: nothing but the state it is asked about."""

    state: str


_token = _Token()
_token_lock = Lock()
_machine = Machine(
    model=_token,
    states=[phase.value for phase in Phase],
    transitions=TRANSITIONS,
    initial=Phase.DORMANT.value,
    auto_transitions=False,
)


@cache
def advance(phase: Phase, trigger: str) -> Phase:
    """Give the phase that follows `phase` on `trigger`.

    Raises:
        JournalCorrupt: the machine has no such transition, so the entries being folded cannot be right.
    """
    with _token_lock:
        _token.state = phase.value
        try:
            _machine.events[trigger].trigger(_token)
        except MachineError as error:
            raise JournalCorrupt(f"an incident in phase '{phase}' cannot '{trigger}'") from error
        return Phase(_token.state)


def state_diagram() -> str:
    """Draw the machine as a Mermaid state diagram; `docs/architecture.md` shows exactly this."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.DORMANT}"]
    for event in _machine.events.values():
        for source, transitions in event.transitions.items():
            lines += [f"    {source} --> {transition.dest}: {event.name}" for transition in transitions]
    lines.append(f"    {Phase.CLOSED} --> [*]")
    return "\n".join(lines)
