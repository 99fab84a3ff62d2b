"""Perturbed copies show what their names say, and their detections are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import perturbed_detections
from benchmarks.datasets import encode, images
from benchmarks.perturbations import NONE, PERTURBATIONS, Perturbation
from lanewatch.records import Image

BY_NAME = {perturbation.name: perturbation for perturbation in PERTURBATIONS}
FPS = 10


def picture(number: int) -> Image:
    """Grey, with a bright square that moves to the right."""
    image = np.full((80, 120, 3), 100, np.uint8)
    image[30:50, 10 + 4 * number : 30 + 4 * number] = 200
    return image


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(perturbed_detections, "KEPT", tmp_path / "kept")
    options = {"qp": "0", "preset": "ultrafast"}
    return encode(tmp_path / "clip.mp4", (picture(number) for number in range(20)), (120, 80), FPS, options)


def changed(name: str) -> Image:
    change = BY_NAME[name].change
    assert change is not None
    return change(picture(3), 3)


def test_each_change_of_the_light_does_what_its_name_says() -> None:
    assert changed("70 % brightness")[0, 0].tolist() == [70] * 3
    assert changed("130 % brightness")[40, 30].tolist() == [255] * 3  # 260 is beyond white
    assert changed("gamma 1.5")[0, 0].tolist() == [round(255 * (100 / 255) ** 1.5)] * 3


def test_a_place_moves_with_the_pictures() -> None:
    for name in ("mirrored", "10 % cropped"):
        image = changed(name)
        left, right = (x / 120 for x in (22, 42))
        x, y = BY_NAME[name].move(((left + right) / 2, 40 / 80))
        assert image[round(y * image.shape[0]), round(x * image.shape[1])].tolist() == [200] * 3
        outside, _ = BY_NAME[name].move((left - 0.05, 40 / 80))
        assert image[round(y * image.shape[0]), round(outside * image.shape[1])].tolist() == [100] * 3


def test_noise_and_shake_are_the_same_in_each_run_and_differ_between_pictures() -> None:
    for name in ("noise", "shake"):
        change = BY_NAME[name].change
        assert change is not None
        assert np.array_equal(change(picture(3), 3), change(picture(3), 3))
        assert any(not np.array_equal(change(picture(3), 3), change(picture(3), number)) for number in range(4, 8))


def test_a_speed_and_a_rate_need_no_new_detections(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = perturbed_detections.detections(clip, FPS)
    assert len(records) >= 20
    monkeypatch.delattr(perturbed_detections, "_detect")  # from here on, all comes from the disk
    assert [record.slot for record in perturbed_detections.detections(clip, FPS)] == [record.slot for record in records]
    fast = perturbed_detections.detections(clip, FPS, BY_NAME["1.25 x speed"])
    assert fast[-1].captured_at - fast[0].captured_at == pytest.approx(
        (records[-1].captured_at - records[0].captured_at) / 1.25
    )
    half = perturbed_detections.detections(clip, FPS, BY_NAME["half rate"], rate=FPS)
    assert sum(record.gap is None for record in half) == 10


def test_a_changed_picture_is_detected_anew(clip: Path) -> None:
    plain = perturbed_detections.detections(clip, FPS)
    dark = perturbed_detections.detections(clip, FPS, BY_NAME["70 % brightness"], rate=FPS)
    ratio = dark[5].scene.brightness / plain[5].scene.brightness
    assert ratio == pytest.approx(0.7, abs=0.06)  # luma of video has an offset of 16
    assert len(list(perturbed_detections.KEPT.iterdir())) == 2


def test_a_new_version_of_a_change_is_detected_anew(clip: Path) -> None:
    perturbed_detections.detections(clip, FPS, Perturbation("trial", lambda image, _: image))
    perturbed_detections.detections(clip, FPS, Perturbation("trial", lambda image, _: image[::-1]))
    assert len(list(perturbed_detections.KEPT.iterdir())) == 2


def test_only_the_right_half_is_written(tmp_path: Path) -> None:
    pictures = perturbed_detections._pictures(clip_of_halves(tmp_path), NONE, 1, right_half=True)
    assert all(image.shape[1] == 60 and image.mean() > 150 for image in pictures)


def clip_of_halves(folder: Path) -> Path:
    image = np.full((80, 120, 3), 30, np.uint8)
    image[:, 60:] = 200
    path = encode(folder / "halves.mp4", [image] * 3, (120, 80), FPS, {"qp": "0"})
    assert len(list(images(path))) == 3
    return path
