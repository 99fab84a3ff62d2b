"""The fold over revisions of its site: each holds from its capture time on."""

from __future__ import annotations

import pytest

from detectors.camera_state import CameraState
from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Event
from tests.detectors.walker_records import NOON, loiterer, opened, site, watch

SITE = site()
YARD = SITE.cameras[0].zones[0]
SHED = SITE.cameras[0].zones[1]


def revised(changed: Site, after_s: float) -> list[Event]:
    """A loiterer's 30 s, the site's other revision holding from ``after_s`` on."""
    revisions = SiteRevisions([SiteRevision(0.0, SITE), SiteRevision(NOON + after_s, changed)])
    watcher = WatchStage(revisions, run="test")
    state, events = watcher.start("lane"), []
    for record in loiterer(30):
        state, more = watcher.step(records.decode(records.encode(state), CameraState), record)
        events += more
    return events


def test_a_revision_holds_from_its_capture_time_on_and_a_dwell_goes_on_over_it() -> None:
    stricter = site(behaviours={"loitering": {"thresholds": {"dwell_s": 5}}})
    unchanged = opened(watch(loiterer(30), SITE))[0]
    before, after = opened(revised(stricter, 8)), opened(revised(stricter, 20))
    assert [event.id for event in before] == [event.id for event in after] == [unchanged.id]
    assert before[0].started_at == NOON + 8  # he has been there for longer than 5 s then
    assert before[0].site == stricter.digest
    assert (after[0].started_at, after[0].site) == (unchanged.started_at, SITE.digest)
    assert {event.site for event in revised(stricter, 20)} == {SITE.digest, stricter.digest}


@pytest.mark.parametrize(
    "changed",
    [
        site(camera={"zones": [SHED.model_dump()]}),  # the zone was removed
        site(behaviours={"loitering": {"enabled": False}}),
        site(camera={"zones": [YARD.model_copy(update={"kind": "lane"}).model_dump()]}),
    ],
)
def test_what_a_revision_asks_for_no_more_closes(changed: Site) -> None:
    events = revised(changed, 20)
    assert [event.state for event in events if event.state != "updated"] == ["open", "closed"]
    assert events[-1].updated_at == NOON + 20
    assert events[-1].ended_at == NOON + 19.8


def test_a_camera_that_a_revision_removed_has_its_events_expired_and_its_records_counted() -> None:
    other = site(camera={"id": "yonder"})
    events = revised(other, 20)
    assert [event.state for event in events if event.state != "updated"] == ["open", "expired"]
    watcher = WatchStage(SiteRevisions([SiteRevision(0.0, SITE), SiteRevision(NOON + 20, other)]), run="test")
    state = watcher.start("lane")
    for record in loiterer(30):
        state, _ = watcher.step(state, record)
    assert state.skipped == {"removed": 50}
    with pytest.raises(KeyError, match="nowhere"):
        watcher.start("nowhere")


def test_a_behaviour_that_is_enabled_again_has_a_fresh_memory() -> None:
    off = site(behaviours={"loitering": {"enabled": False}})
    watcher = WatchStage(
        SiteRevisions([SiteRevision(0.0, SITE), SiteRevision(NOON + 8, off), SiteRevision(NOON + 18, SITE)]), run="test"
    )
    state, events = watcher.start("lane"), []
    for record in loiterer(35):
        state, more = watcher.step(state, record)
        events += more
    assert opened(events)[0].started_at == pytest.approx(NOON + 28, abs=0.21)
