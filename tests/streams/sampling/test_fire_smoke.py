"""Rendered flames and smoke are found, similar objects are not. All of it is simulated: there is no real footage."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest
from av.video.frame import VideoFrame

from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Event, Flame, Image, SceneMeasurements
from streams.sampling.fire_smoke import FireSmokeDetector
from streams.sampling.image_quality import luma_plane
from streams.sampling.motion_gate import MotionGate
from tests.detectors.walker_records import NOON, make_record, opened, site

FPS = 5
STEADY = {"behaviours": {"fire": {"thresholds": {"steady_s": 15}}}}
"""Shortens the minute after which something that does not grow is an event."""

Draw = Callable[[Image, float, np.random.Generator], None]


def street(night: bool = False) -> Image:
    """Blocks of grey and green with outlines; dark at night."""
    rng = np.random.default_rng(11)
    blocks = rng.integers(60, 150, (18, 32, 1)).repeat(20, axis=0).repeat(20, axis=1)
    tint = rng.integers(-8, 8, (18, 32, 3)).repeat(20, axis=0).repeat(20, axis=1)
    wall: Image = np.clip((blocks + tint) * (0.3 if night else 1.0), 0, 255).astype(np.uint8)
    return wall


def flames(picture: Image, time: float, rng: np.random.Generator) -> None:
    """A fire that starts at 4 s and grows to 90 pixels: flickering tongues, a white-yellow core."""
    if time < 4:
        return
    tall = min(30 + 8 * (time - 4), 90)
    for tongue in range(7):
        x = 300 + 9 * tongue + rng.integers(-3, 4)
        high = tall * rng.uniform(0.35, 1.0) * (1 - abs(tongue - 3) / 5)
        corners = np.array([(x - 9, 300), (x + 9, 300), (x + rng.integers(-6, 7), 300 - high)], np.int32)
        cv2.fillPoly(picture, [corners], (20, 110 + int(rng.integers(0, 40)), 245))
        cv2.fillPoly(picture, [(corners * (1, 1) - (0, -4)).astype(np.int32) // 1], (40, 150, 255))
        cv2.circle(picture, (int(x), 294), 7, (130, 230, 255), -1)


def smoke(picture: Image, time: float, rng: np.random.Generator) -> None:
    """Clouds over the upper half that spread from 4 s on."""
    if time < 4:
        return
    veil = np.zeros(picture.shape[:2], np.float32)
    for _ in range(30):
        reach = min(20 + 6 * (time - 4), 130)
        at = (int(320 + rng.normal(0, reach)), int(150 + rng.normal(0, reach / 3)))
        cv2.circle(veil, at, int(20 + reach / 4), 1.0, -1)
    veil = cv2.GaussianBlur(veil, (0, 0), 12)[..., None] * 0.85
    lit = 175 + 20 * np.sin(time * 3)
    picture[:] = np.clip(picture * (1 - veil) + lit * veil, 0, 255).astype(np.uint8)


def red_car(picture: Image, time: float, _: np.random.Generator) -> None:
    left = int(30 + 40 * time) % 500
    cv2.rectangle(picture, (left, 200), (left + 120, 260), (25, 25, 190), -1)
    cv2.circle(picture, (left + 5, 230), 5, (40, 40, 255), -1)


def orange_jacket(picture: Image, time: float, _: np.random.Generator) -> None:
    """A waving person in safety orange, in the sun."""
    sway = int(12 * np.sin(time * 5))
    cv2.rectangle(picture, (300, 180), (340, 250), (0, 110, 245), -1)
    cv2.line(picture, (340, 190), (365 + sway, 150 + sway), (0, 110, 245), 10)


def sunset(picture: Image, time: float, _: np.random.Generator) -> None:
    low = int(130 - time)
    picture[:low] = (60, 130 + np.linspace(0, 60, low)[:, None, None].astype(int)[0, 0, 0], 250)


def headlights(picture: Image, time: float, _: np.random.Generator) -> None:
    size = int(8 + 3 * time) if time < 25 else 0
    for x in (280, 360):
        cv2.circle(picture, (x, 240), size, (235, 250, 255), -1)


def hazard_lights(picture: Image, time: float, _: np.random.Generator) -> None:
    if time % 0.8 < 0.4:
        cv2.circle(picture, (320, 240), 9, (10, 140, 255), -1)


def grey_van(picture: Image, time: float, _: np.random.Generator) -> None:
    """It arrives and stops."""
    left = int(max(600 - 120 * time, 180))
    cv2.rectangle(picture, (left, 120), (left + 220, 280), (150, 150, 150), -1)


def detected(draw: Draw, *, night: bool = False, seconds: float = 28.0) -> list[tuple[float, tuple[Flame, ...]]]:
    """The flames that the sampler's parts find in a drawn clip, with the time of each picture."""
    gate, detector, rng = MotionGate(), FireSmokeDetector(), np.random.default_rng(5)
    base = street(night)
    noises = [rng.normal(0, 2, base.shape).astype(np.int16) for _ in range(5)]
    results = []
    for index in range(round(seconds * FPS)):
        at = index / FPS
        picture = base.copy()
        draw(picture, at, rng)
        noisy = np.clip(picture + noises[index % 5], 0, 255).astype(np.uint8)
        decoded = VideoFrame.from_ndarray(noisy, format="bgr24").reformat(format="yuv420p")
        small = gate.reduce(luma_plane(decoded))
        motion = gate.update(small, at, 2.0)
        averages = (gate.fast_average, gate.slow_average)
        found = detector.update(decoded, small, averages, bool(motion.boxes), at, 2.0) if motion.warm else ()
        results.append((at, found))
    return results


def events_of(results: list[tuple[float, tuple[Flame, ...]]], named: Site | None = None) -> list[Event]:
    watcher = WatchStage(named or site(**STEADY), run="test")
    state = watcher.start("lane")
    events: list[Event] = []
    for at, found in results:
        # The clip's clock starts at 0.
        flames = tuple(msgspec.structs.replace(flame, since=NOON + flame.since) for flame in found)
        scene = SceneMeasurements(brightness=100, contrast=40, flames=flames, warm=True)
        state, more = watcher.step(state, make_record(NOON + at, scene=scene))
        events += more
    return opened(events, "fire")


@pytest.mark.parametrize(("draw", "night"), [(flames, False), (flames, True), (smoke, False)])
def test_rendered_fires_are_found_where_they_are(draw: Draw, night: bool) -> None:
    results = detected(draw, night=night)
    kind = "smoke" if draw is smoke else "fire"
    assert not any(found for at, found in results if at < 4)
    boxes = [flame.box for at, found in results if at > 12 for flame in found if flame.kind == kind]
    assert boxes
    left, _, right, bottom = np.median(boxes, axis=0)
    if kind == "fire":
        assert left >= 260
        assert right <= 400
        assert bottom <= 330
    events = events_of(results)
    assert events, "no event"
    assert events[0].started_at - NOON <= 4 + (10 if kind == "fire" else 26)  # KISA: within ten seconds
    assert events[0].kisa == "FireDetection"
    assert events[0].score < 0.65
    assert events[0].factors[0].name == "untrained"


@pytest.mark.parametrize(
    ("draw", "night"),
    [
        (red_car, False),
        (red_car, True),
        (orange_jacket, False),
        (sunset, False),
        (headlights, True),
        (hazard_lights, True),
        (grey_van, False),
    ],
)
def test_objects_that_resemble_fire_raise_nothing(draw: Draw, night: bool) -> None:
    assert not events_of(detected(draw, night=night))


def test_a_flame_inside_a_detected_vehicle_raises_nothing() -> None:
    results = detected(flames)
    watcher = WatchStage(site(**STEADY), run="test")
    state = watcher.start("lane")
    for at, found in results:
        scene = SceneMeasurements(flames=found, warm=True, brightness=100, contrast=40)
        detections = make_record(NOON + at, scene=scene, xyxy=[(200, 100, 500, 400)], scores=[0.6], labels=[3])
        state, events = watcher.step(state, detections)
        assert not [event for event in events if event.kind == "fire"]


def test_a_site_that_does_not_name_fire_raises_none() -> None:
    results = detected(flames)
    assert events_of(results)
    assert not events_of(results, site())


def test_masked_fire_is_not_found() -> None:
    masked = FireSmokeDetector([((0.3, 0.3), (0.8, 0.3), (0.8, 1.0), (0.3, 1.0))])
    gate, rng = MotionGate(), np.random.default_rng(5)
    for index in range(60):
        picture = street()
        flames(picture, index / FPS, rng)
        decoded = VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        small = gate.reduce(luma_plane(decoded))
        gate.update(small, index / FPS, 2.0)
        assert not masked.update(decoded, small, (gate.fast_average, gate.slow_average), True, index / FPS, 2.0)
