"""A site over time: each revision holds from its own capture time on."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from lanewatch.config.site import Site


@dataclass(frozen=True)
class SiteRevision:
    """A site that holds from ``valid_from`` on, capture time in seconds UTC."""

    valid_from: float
    site: Site


class SiteRevisions:
    """What holds when. Records are judged by the site of their own capture time, live and on replay alike.

    Args:
        revisions: in any order; of those with one ``valid_from`` the last is taken.

    Raises:
        ValueError: there is none.
    """

    def __init__(self, revisions: Iterable[SiteRevision]) -> None:
        by_time = {one.valid_from: one for one in revisions}
        self.all = tuple(by_time[at] for at in sorted(by_time))
        if not self.all:
            raise ValueError("a site needs at least one revision")
        self._times = [one.valid_from for one in self.all]

    @classmethod
    def of(cls, site: Site) -> SiteRevisions:
        """A site that never changes."""
        return cls([SiteRevision(-math.inf, site)])

    def at(self, captured_at: float) -> Site:
        """The site that holds at a capture time; the first one also before it came."""
        return self.all[max(0, bisect_right(self._times, captured_at) - 1)].site

    @property
    def latest(self) -> Site:
        """The last revision, which may hold only later."""
        return self.all[-1].site
