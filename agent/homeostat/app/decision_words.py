"""Decisions in words, for `explain`."""

from __future__ import annotations

from homeostat.model import entries as e

TRUTH = {True: "true", False: "false", None: "unknown"}

_DECISION = {
    "if": "condition",
    "guard": "guard",
    "try": "next candidate in written order",
    "choose": "next candidate by ranking",
    "decide": "branch",
}


def decided(entry: e.Decided) -> tuple[str, list[str]]:
    """What was chosen, by what, and what there was to choose from."""
    chosen = entry.chosen if entry.chosen is not None else "nothing"
    what, by = _DECISION.get(entry.kind, entry.kind), ""
    if entry.kind == "choose":
        if entry.ranking_version:
            by = f" (ranking {entry.ranking_version[:12]})"
        else:
            what, by = _DECISION["try"], " (nothing learnt yet)"
    details = [_option(option, chosen=option.id == entry.chosen) for option in entry.options]
    if entry.explored and entry.options:
        details.insert(0, _explored(entry))
    if entry.detail:
        details.append(entry.detail)
    if entry.failed:
        details.append(f"failed before in this incident: {', '.join(entry.failed)}")
    return f"decided at {entry.node}, {what}: {chosen}{by}", details


def _explored(entry: e.Decided) -> str:
    best = entry.options[0]
    index = next((option.index for option in entry.options if option.id == entry.chosen), None)
    share = f", which has {index / best.index:.2f} of its index" if index is not None and best.index else ""
    return f"explored: {best.id} is held to be best; {entry.chosen}{share}, was drawn to learn of it"


def _option(option: e.Option, *, chosen: bool) -> str:
    mark = "->" if chosen else "  "
    parts = []
    if option.condition is not None:
        parts.append(f"if {option.condition}: {TRUTH[option.truth]}")
    if option.probability is not None and option.cost_s is not None and option.index is not None:
        parts.append(
            f"works with {option.probability:.0%}, costs {option.cost_s:.0f} s, index {option.index * 1000:.3g}/1000 s"
        )
    if option.reason is not None:
        parts.append(f"refused: {option.reason}")
    if option.eligible:
        parts.append(f"propensity {option.propensity:g}")
    return f"{mark} {option.id}: {'; '.join(parts) if parts else 'not considered'}"
