"""Behaviours that others bring: found by entry point, judged like ours, named when they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from detectors.behaviours.base import BehaviourError, Candidate, Explanation
from detectors.behaviours.loitering import Loitering
from detectors.behaviours.registry import BUILT_IN, find, installed
from detectors.camera_state import CameraState
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver
from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.records import Event, Factor
from tests.detectors.walker_records import NOON, loiterer, make_record, opened, site, watch

Plug = Callable[[Any], None]


class Seen(msgspec.Struct, frozen=True):
    """How many records it has seen."""

    count: int = 0


class Dark:
    """A third party's behaviour: it needs no tracks, and claims that the picture is dark."""

    kind: ClassVar = "gloom"
    name: ClassVar = Loitering.name
    onvif: ClassVar = "VideoSource/ImageTooDark"
    kisa: ClassVar = ""
    places: ClassVar = frozenset[str]()
    triggers: ClassVar = frozenset({"picture"})
    Thresholds: ClassVar = Loitering.Thresholds
    Memory: ClassVar = Seen

    def __init__(self, limits: Resolver[Any]) -> None:
        self.limits = limits

    def start(self) -> Seen:
        return Seen()

    def step(self, memory: Seen, view: Observation) -> tuple[Seen, list[Candidate]]:
        claims = []
        if view.detections.scene.brightness < 10:
            claims.append(
                Candidate(
                    key="dark",
                    zone="",
                    since=view.captured_at,
                    until=view.captured_at,
                    tracks=(),
                    first_point=TrackPoint(0, 0, view.captured_at),
                    box=(0, 0, 1, 1),
                    clarity=1.0,
                    severity=1,
                    thresholds=Loitering.Thresholds(),
                    explain=lambda: Explanation((Factor("dark", 0.3),), {"ko": "어두움", "en": "dark"}),
                )
            )
        return Seen(memory.count + 1), claims


class Broken(Dark):
    """It raises at its third picture."""

    def step(self, memory: Seen, view: Observation) -> tuple[Seen, list[Candidate]]:
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
        if isinstance(self._loads, BaseException):
            raise self._loads
        return self._loads


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    """Installs a package that brings a behaviour."""

    def install(loads: Any) -> None:
        installed.cache_clear()
        monkeypatch.setattr("detectors.behaviours.registry.entry_points", lambda group: [FakePoint(loads)])

    yield install
    installed.cache_clear()


def test_each_built_in_behaviour_describes_itself() -> None:
    for behaviour in BUILT_IN:
        assert find(behaviour.kind) is behaviour
        assert behaviour.name.ko
        assert (behaviour.Thresholds.__doc__ or "").strip()
        for name, field in behaviour.Thresholds.model_fields.items():
            assert field.title, name
            assert field.description, name


def test_an_unknown_kind_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(BehaviourError, match="no behaviour 'lurking'; there are "):
        find("lurking")


def test_a_third_partys_behaviour_is_found_and_its_memory_kept(plug: Plug) -> None:
    plug(Dark)
    watcher = WatchStage(site())
    state = watcher.start("lane")
    events = []
    for tick in range(5):  # a picture is judged every two seconds, and what is open stays so in between
        state, more = watcher.step(state, make_record(NOON + tick))
        events += more
        state = records.decode(records.encode(state), CameraState)
    assert [(event.kind, event.state, event.onvif) for event in events] == [
        ("gloom", "open", "VideoSource/ImageTooDark")
    ]
    assert records.restore(state.memories["gloom"], Seen) == Seen(3)


def test_one_that_raises_costs_itself_only(plug: Plug, caplog: pytest.LogCaptureFixture) -> None:
    alone = watch(loiterer(90), site())
    plug(Broken)
    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    events: list[Event] = []
    for record in loiterer(90):
        state, more = watcher.step(state, record)
        events += more
    assert [event for event in events if event.kind != "gloom"] == alone
    assert watcher.counters(state)["behaviour gloom"] == 15, "it starts afresh, and fails at every third picture"
    messages = [line.getMessage() for line in caplog.records if "gloom" in line.getMessage()]
    assert messages == [
        f"behaviour gloom failed at camera lane, capture time {NOON + 4:.3f}: it starts again from a fresh memory"
    ]


def changed(**values: Any) -> Any:
    """What else a claim of ``Dark`` may be turned into."""
    return lambda memory, claims: (memory, [claim._replace(**values) for claim in claims])


@pytest.mark.parametrize(
    ("nonsense", "message"),
    [
        (lambda memory, claims: None, "NoneType"),
        (lambda memory, claims: memory, "Seen"),
        (lambda memory, claims: (memory, None), "NoneType"),
        (lambda memory, claims: (memory, [None]), "returned a candidate of type NoneType"),
        (lambda memory, claims: ({"count": 1}, claims), "memory is of type dict, not Seen"),
        (changed(since=float("nan")), "is not finite"),
        (changed(box=(0, 0, float("inf"), 1)), "is not finite"),
        (changed(box="box"), "unsupported operand"),
        (changed(box=(0, 0, 1)), "box of 3 numbers"),
        (changed(severity=99), "severity 99"),
        (lambda memory, claims: (memory, claims * 2), "two of its candidates have the same key"),
    ],
)
def test_one_that_answers_nonsense_costs_itself_only(
    plug: Plug, caplog: pytest.LogCaptureFixture, nonsense: Any, message: str
) -> None:
    alone = watch(loiterer(30), site())

    class Nonsense(Dark):
        def step(self, memory: Seen, view: Observation) -> Any:
            return nonsense(*super().step(memory, view))

    plug(Nonsense)
    assert [event for event in watch(loiterer(30), site()) if event.kind != "gloom"] == alone
    assert message in caplog.text


def test_one_that_cannot_be_made_is_named_with_its_camera(plug: Plug) -> None:
    class Unmade(Dark):
        def __init__(self, limits: Resolver[Any]) -> None:
            raise RuntimeError("no licence")

    plug(Unmade)
    with pytest.raises(BehaviourError, match="behaviour gloom cannot be created for camera lane: no licence"):
        WatchStage(site()).start("lane")


@pytest.mark.parametrize(
    "account",
    [
        lambda: Explanation((), {"en": str(1 / 0)}),
        lambda: None,
        lambda: Explanation((Factor("dark", float("nan")),), {"ko": "", "en": ""}),
    ],
)
def test_one_that_cannot_say_why_is_raised_all_the_same(plug: Plug, account: Any) -> None:
    class Mute(Dark):
        def step(self, memory: Seen, view: Observation) -> tuple[Seen, list[Candidate]]:
            after, claims = super().step(memory, view)
            return after, [claim._replace(explain=account) for claim in claims]

    plug(Mute)
    (event,) = opened(watch([make_record(NOON)], site()), "gloom")
    assert event.score == 0
    assert event.sentence["en"] == "gloom: the behaviour failed to say why"


def test_a_behaviour_without_its_places_is_not_evaluated(plug: Plug) -> None:
    class Elsewhere(Broken):
        kind: ClassVar = "elsewhere"
        places: ClassVar = frozenset({"produce"})

    plug(Elsewhere)
    watcher = WatchStage(site())
    state = watcher.start("lane")
    for tick in range(9):
        state, _ = watcher.step(state, make_record(NOON + tick))
    assert watcher.counters(state) == {}


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        (ImportError("no module thirdparty"), "cannot be loaded: no module thirdparty"),
        (SystemExit(3), "cannot be loaded: 3"),
        (object, "is not a behaviour"),
        (type("Theirs", (Loitering,), {}), "has the kind 'loitering', which Loitering already has"),
    ],
)
def test_an_invalid_plug_in_package(plug: Plug, loads: Any, message: str) -> None:
    plug(loads)
    with pytest.raises(BehaviourError, match=message):
        installed()
