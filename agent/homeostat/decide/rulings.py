"""Whether words on which ranking shall rule still hold when they come to be journalled."""

from __future__ import annotations

from collections.abc import Iterable

from homeostat.model import entries as e
from homeostat.model.ranking import Ranking


def speak_of(ruling: Ranking | None, entries: Iterable[e.Entry]) -> bool:
    """Whether each word on what shall rule was said of what rules then: a training takes minutes, and people decide."""
    rules = None if ruling is None else ruling.version
    for entry in entries:
        match entry:
            case e.RankingPromoted(version=then, replaces=before) | e.RankingRolledBack(to=then, version=before):
                if before != rules:
                    return False
                rules = then
    return True
