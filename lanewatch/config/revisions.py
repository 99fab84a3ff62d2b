"""A site over time: each revision is in effect from its own capture time on."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from lanewatch.config.site import Site


@dataclass(frozen=True)
class SiteRevision:
    """A site that is in effect from ``valid_from`` on, capture time in seconds UTC."""

    valid_from: float
    site: Site


class SiteRevisions:
    """All revisions of a site. Each record is processed with the site of its own capture time, live and on replay.

    Of several revisions with the same ``valid_from``, the last one is used.
    """

    def __init__(self, revisions: Iterable[SiteRevision]) -> None:
        by_time = {revision.valid_from: revision for revision in revisions}
        self.entries = tuple(by_time[valid_from] for valid_from in sorted(by_time))
        if not self.entries:
            raise ValueError("a site needs at least one revision")
        self._times = [revision.valid_from for revision in self.entries]

    @classmethod
    def from_site(cls, site: Site) -> SiteRevisions:
        """A site that never changes."""
        return cls([SiteRevision(-math.inf, site)])

    def site_at(self, captured_at: float) -> Site:
        """The site in effect at a capture time; before the first revision, the first one."""
        return self.entries[max(0, bisect_right(self._times, captured_at) - 1)].site

    @property
    def latest(self) -> Site:
        """The last revision's site, which may not be in effect yet."""
        return self.entries[-1].site
