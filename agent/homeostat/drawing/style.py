"""The look of a drawing: one style sheet for light and dark, and the icons. Colour never speaks alone."""

from __future__ import annotations

from homeostat.drawing.states import NodeStatus

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

LIGHT = {
    "paper": "#ffffff", "ink": "#1e293b", "soft": "#64748b", "if": "#4338ca", "edge": "#cbd5e1", "wire": "#94a3b8",
    "card": "#ffffff", "frame": "#f8fafc", "lit": "#334155",
    "succeeded": "#15803d", "succeeded-card": "#f0fdf4", "failed": "#b91c1c", "failed-card": "#fef2f2",
    "running": "#1d4ed8", "running-card": "#eff6ff", "waiting": "#a16207", "waiting-card": "#fefce8",
    "refused": "#7e22ce", "refused-card": "#faf5ff",
}  # fmt: skip
DARK = {
    "paper": "#0f172a", "ink": "#e2e8f0", "soft": "#94a3b8", "if": "#a5b4fc", "edge": "#334155", "wire": "#64748b",
    "card": "#1e293b", "frame": "#131d33", "lit": "#cbd5e1",
    "succeeded": "#4ade80", "succeeded-card": "#10291d", "failed": "#f87171", "failed-card": "#331820",
    "running": "#60a5fa", "running-card": "#14264a", "waiting": "#facc15", "waiting-card": "#2b2712",
    "refused": "#c084fc", "refused-card": "#2a1a3d",
}  # fmt: skip

ICONS = {
    NodeStatus.SUCCEEDED: "M-3.6 0.2 L-1 2.8 L3.8 -2.8",
    NodeStatus.FAILED: "M-2.8 -2.8 L2.8 2.8 M2.8 -2.8 L-2.8 2.8",
    NodeStatus.RUNNING: "M-1.8 -3 L3 0 L-1.8 3 Z",
    NodeStatus.WAITING: "M-1.8 -2.8 V2.8 M1.8 -2.8 V2.8",
    NodeStatus.REFUSED: "M-3.2 0 H3.2",
    NodeStatus.PASSED_OVER: "M-3.4 1.8 Q0 -4 3.2 0.6 M3.4 -2.2 L3.2 0.8 L0.4 0.2",
}
"""Strokes around (0, 0), within a disc of radius 8."""


def style_sheet() -> str:
    """Both colour schemes; without a preference the light one holds."""
    return f"{_rules(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{_rules(DARK)}\n}}"


def _rules(colours: dict[str, str]) -> str:
    rules = [
        f".paper {{ fill: {colours['paper']} }}",
        f"text {{ fill: {colours['ink']}; font-family: {FONT} }}",
        ".name { font-weight: 600 }",
        f".kind, .detail, .proof, .label, .why {{ fill: {colours['soft']} }}",
        f".if {{ fill: {colours['if']} }}",
        f".card > .body, .start > .body, .end > .body {{ fill: {colours['card']}; stroke: {colours['edge']} }}",
        f".frame > .body {{ fill: {colours['frame']}; stroke: {colours['edge']} }}",
        f".wire {{ fill: none; stroke: {colours['wire']}; stroke-width: 1.5 }}",
        f".wire.lit {{ stroke: {colours['lit']}; stroke-width: 2.5 }}",
        f".tip {{ fill: {colours['wire']} }} .tip.lit {{ fill: {colours['lit']} }}",
        f".label {{ paint-order: stroke; stroke: {colours['paper']}; stroke-width: 4px }}",
        f".inner > .label {{ stroke: {colours['frame']} }}",
        f".icon path {{ fill: none; stroke: {colours['paper']}; stroke-width: 2 }}",
        f".icon circle {{ fill: {colours['wire']} }}",
    ]
    for status in ("succeeded", "failed", "running", "waiting", "refused"):
        rules += [
            f".{status}:not(.frame) > .body {{ fill: {colours[f'{status}-card']}; stroke: {colours[status]} }}",
            f".{status}.frame > .body {{ stroke: {colours[status]} }}",
            f".{status} > .why {{ fill: {colours[status]}; font-weight: 600 }}",
            f".{status} > .icon circle {{ fill: {colours[status]} }}",
        ]
    rules += [".running > .body { stroke-width: 2.5 }", ".passed_over > .body { stroke-dasharray: 4 4 }"]
    rules += [".dim > text { opacity: 0.72 }", ".dim > .body { opacity: 0.75 }"]
    return "\n".join(rules)
