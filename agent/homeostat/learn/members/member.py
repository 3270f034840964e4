"""What a member is."""

from __future__ import annotations

from typing import Protocol

from homeostat.learn.samples import Samples
from homeostat.model.ranking import MemberModel


class Member(Protocol):
    """Foretells, for every candidate, the chance that it works."""

    @property
    def name(self) -> str:
        """Unique among members; the name of the models it fits."""
        ...

    @property
    def quick(self) -> bool:
        """Fitting takes a few milliseconds, so that it is done after every incident."""
        ...

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> MemberModel:
        """Fit to any number of samples, none and those that all ended alike included.

        Args:
            samples: see there.
            previous: the model of the same member on most of these samples: where to start from. It may make fitting
                faster, and must not change the result by more than the tolerance of the optimiser.
        """
        ...
