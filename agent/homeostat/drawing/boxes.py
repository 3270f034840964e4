"""What a drawing is made of: boxes within boxes, and wires between them. All lengths are pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text. `role`: name, kind, if, detail or proof; it chooses size and colour."""

    text: str
    role: str


@dataclass(frozen=True, slots=True)
class Wire:
    """A line from one node to the next, through points relative to its box.

    Attributes:
        ends: ids of the nodes it joins; it is lit when both are.
        label: written beside its middle. dashed: only taken when something fails, or is true.
    """

    points: tuple[Point, ...]
    ends: tuple[str, str]
    label: str = ""
    dashed: bool = False


@dataclass(slots=True)
class Box:
    """A node with all below it, or several of them in an arrangement that has no look of its own (`node` None).

    Attributes:
        anchor: x at which wires come in and go out.
        lines: what is written at its top. told: all of it in full, for a tooltip.
        parts: boxes inside, with their place.
        rejoins: where the fallbacks inside end and what their ids are: from there it goes on as from the node itself.
        shape: `card` for a leaf, `frame` for what has parts, `start` and `end` for what is around the plan.
    """

    width: float
    height: float
    anchor: float
    node: str | None = None
    shape: str = "frame"
    lines: list[Line] = field(default_factory=list)
    told: str = ""
    parts: list[tuple[float, float, Box]] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    bottom: float | None = None
    rejoins: list[tuple[Point, str]] = field(default_factory=list)

    @property
    def exit(self) -> float:
        """The y at which wires go out: the lower edge of its first part where it is an arrangement."""
        return self.height if self.bottom is None else self.bottom
