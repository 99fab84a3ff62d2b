"""Behaviours that others bring: found by entry point, judged like ours, named when they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from detectors.behaviour import Account, BehaviourError, Claim, find, registry
from detectors.behaviours import BUILT_IN
from detectors.behaviours.loitering import Loitering
from detectors.followed import Step
from detectors.thresholds import Resolver
from detectors.view import View
from detectors.watcher import CameraState, Watcher
from lanewatch import records
from lanewatch.records import Factor
from tests.detectors.walks import NOON, record, revisions, site

Plug = Callable[[Any], None]


class Seen(msgspec.Struct, frozen=True):
    """How many records it has seen."""

    count: int = 0


class Dark:
    """A third party's behaviour: it needs no tracks, and claims that the picture is dark."""

    kind: ClassVar = "too_dark"
    name: ClassVar = Loitering.name
    onvif: ClassVar = "VideoSource/ImageTooDark"
    kisa: ClassVar = ""
    places: ClassVar = frozenset[str]()
    wakes: ClassVar = True
    Thresholds: ClassVar = Loitering.Thresholds
    Memory: ClassVar = Seen

    def __init__(self, limits: Resolver[Any]) -> None:
        self.limits = limits

    def start(self) -> Seen:
        return Seen()

    def step(self, memory: Seen, view: View) -> tuple[Seen, list[Claim]]:
        claims = []
        if view.detections.scene.brightness < 10:
            claims.append(
                Claim(
                    key="dark",
                    zone="",
                    since=view.captured_at,
                    until=view.captured_at,
                    tracks=(),
                    born=Step(0, 0, view.captured_at),
                    box=(0, 0, 1, 1),
                    clarity=1.0,
                    severity=1,
                    thresholds=Loitering.Thresholds(),
                    account=lambda: Account((Factor("dark", 0.3),), {"ko": "어두움", "en": "dark"}),
                )
            )
        return Seen(memory.count + 1), claims


class Broken(Dark):
    """It raises at its third record."""

    def step(self, memory: Seen, view: View) -> tuple[Seen, list[Claim]]:
        if memory.count == 2:
            raise ZeroDivisionError("third party")
        return super().step(memory, view)


class FakePoint:
    """An entry point without a package."""

    name = "theirs"
    value = "thirdparty:Theirs"

    def __init__(self, loads: Any) -> None:
        self._loads = loads

    def load(self) -> Any:
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    """Installs a package that brings a behaviour."""

    def install(loads: Any) -> None:
        registry.cache_clear()
        monkeypatch.setattr("detectors.behaviour.entry_points", lambda group: [FakePoint(loads)])

    yield install
    registry.cache_clear()


def test_each_of_ours_says_what_it_is() -> None:
    for one in BUILT_IN:
        assert find(one.kind) is one
        assert one.name.ko
        assert one.onvif.startswith("RuleEngine/")
        assert one.places
        assert (one.Thresholds.__doc__ or "").strip()
        for name, field in one.Thresholds.model_fields.items():
            assert field.title, name
            assert field.description, name


def test_an_unknown_kind_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(BehaviourError, match="no behaviour 'lurking'; there are intrusion, line_crossing, loitering"):
        find("lurking")


def test_a_third_partys_behaviour_is_found_and_its_memory_kept(plug: Plug) -> None:
    plug(Dark)
    watcher = Watcher(site())
    state = watcher.start("lane")
    events = []
    for tick in range(4):
        state, more = watcher.step(state, record(NOON + tick))
        events += more
        state = records.decode(records.encode(state), CameraState)
    assert [(event.kind, event.state, event.onvif) for event in events] == [
        ("too_dark", "open", "VideoSource/ImageTooDark")
    ]
    assert records.restore(state.memories["too_dark"], Seen) == Seen(4)


def test_one_that_raises_is_named_with_camera_and_time(plug: Plug) -> None:
    plug(Broken)
    with pytest.raises(ZeroDivisionError) as caught:
        list(revisions(Watcher(site()), (record(NOON + tick) for tick in range(4))))
    assert f"behaviour too_dark at camera lane, capture time {NOON + 2}" in caught.value.__notes__


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        (ImportError("no module thirdparty"), "cannot be loaded: no module thirdparty"),
        (object, "is no behaviour"),
        (type("Theirs", (Loitering,), {}), "takes the kind 'loitering', which Loitering has"),
    ],
)
def test_a_package_that_is_none(plug: Plug, loads: Any, message: str) -> None:
    plug(loads)
    with pytest.raises(BehaviourError, match=message):
        registry()
