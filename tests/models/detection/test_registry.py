"""Detectors by name: what is there is found, what is missing says how to get it, boxes bear anything."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest

from lanewatch.records import LABELS, Image
from models import hardware
from models.detection import registry
from models.detection.base import Boxes, ModelMissingError
from models.extras import ExtraMissingError
from models.hardware import DeviceMissingError

PERSON, CAR, TRUCK, BACKPACK = (LABELS.index(name) for name in ("person", "car", "truck", "backpack"))


class StubDetector:
    """A plug-in's detector, which sees nothing."""

    name = "stub"

    def __init__(self, device: str, score: float) -> None:
        self.settings = (device, score)

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        return [Boxes.empty() for _ in images]


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.uint8))


def test_the_bundled_detector_is_there_by_default() -> None:
    loaded = registry.load("nanodet-g", "cpu")
    assert loaded.name == "nanodet-g"
    assert loaded([]) == []


def test_a_plug_in_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("stub", f"{__name__}:StubDetector", registry.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda _: StubDetector)
    monkeypatch.setattr(registry, "entry_points", lambda **selection: EntryPoints([entry]).select(**selection))
    loaded = registry.load("stub", "cpu", 0.4)
    assert isinstance(loaded, StubDetector)
    assert loaded.settings == ("cpu", 0.4)


@pytest.mark.parametrize("name", ["yolov8x", "yolov8x.pt", "nowhere/best.engine", "/nowhere/best_openvino_model"])
def test_a_missing_model_reports_how_to_get_it_on_a_closed_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelMissingError) as raised:
        registry.load(name)
    message = str(raised.value)
    for part in (
        name,
        "nanodet-g",
        "var/weights",
        "LANEWATCH_WEIGHTS",
        "Internet",
        "carry it over",
        "lanewatch models",
    ):
        assert part in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("best", "var/weights/best.pt"),  # a name alone
        ("best.onnx", "var/weights/best.onnx"),  # with its kind
        ("best", "named/best.engine"),  # in a folder that the variable names
        ("./mine/best.pt", "mine/best.pt"),  # a path
        ("best", "var/weights/best_openvino_model/best.xml"),  # a folder
    ],
)
def test_ultralytics_models_are_found_by_path_and_by_name(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(registry.WEIGHTS_VARIABLE, str(tmp_path / "named"))
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    expected = path.parent if path.suffix == ".xml" else path
    assert registry.find(name).resolve() == expected


def test_a_missing_extra_is_reported_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "best.pt"
    weights.write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "ultralytics", None)  # torch alone is installed
    with pytest.raises(ExtraMissingError, match=r"ultralytics, which is not installed\..*make gpu"):
        registry.load(str(weights), "cpu")


@pytest.mark.parametrize("device", ["cuda:7", "tpu", "", "cuda:x"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    with pytest.raises(DeviceMissingError, match=r"there are .*cpu"):
        registry.load("nanodet-g", device)


@pytest.mark.parametrize(
    ("count", "requested", "expected"),
    [
        (0, "auto", "cpu"),
        (2, "auto", "cuda:0"),
        (2, "cuda", "cuda:0"),
        (2, "cuda:1", "cuda:1"),
        (2, "cpu", "cpu"),
    ],
)
def test_the_full_name_of_a_device(count: int, requested: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cuda_count", lambda: count)
    assert hardware.choose_device(requested) == expected


@pytest.mark.parametrize(
    ("candidates", "left"),
    [
        (boxes((0, 0, 50, 100, 0.9, PERSON), (2, 2, 52, 102, 0.6, PERSON)), [0]),  # one person twice
        (boxes((0, 0, 50, 100, 0.6, PERSON), (30, 0, 80, 100, 0.9, PERSON)), [1, 0]),  # one before another
        (boxes((0, 0, 100, 60, 0.5, CAR), (0, 0, 98, 60, 0.7, TRUCK)), [1]),  # one vehicle, two names
        (boxes((0, 0, 50, 60, 0.5, PERSON), (0, 0, 50, 60, 0.4, BACKPACK)), [0, 1]),  # a bag on a back
        (boxes(), []),
    ],
)
def test_one_box_for_each_object_best_first(candidates: Boxes, left: list[int]) -> None:
    distinct = candidates.distinct()
    np.testing.assert_array_equal(distinct.xyxy, candidates.xyxy[left])
    np.testing.assert_array_equal(distinct.labels, candidates.labels[left])


def test_boxes_are_clipped_to_the_image_and_invalid_ones_are_dropped() -> None:
    candidates = boxes(
        (-10, -10, 50, 60, 0.9, PERSON),
        (90, 90, 150, 160, 0.8, PERSON),
        (20, 20, 20, 40, 0.7, PERSON),  # no width
        (40, 40, 30, 50, 0.7, PERSON),  # inside out
        (np.nan, 0, 10, 10, 0.7, PERSON),
        (0, 0, np.inf, np.nan, 0.7, PERSON),
        (0, 0, 10, 10, np.nan, PERSON),
        (200, 200, 260, 260, 0.7, PERSON),  # outside
    )
    inside = candidates.inside(100, 100)
    np.testing.assert_array_equal(inside.xyxy, [[0, 0, 50, 60], [90, 90, 100, 100]])
    assert len(Boxes.join([])) == 0


@pytest.mark.parametrize(
    ("files", "process_groups", "most"),
    [
        ({}, "", None),  # no control groups
        ({"cpu.max": "max 100000"}, "0::/\n", None),  # no quota
        ({"cpu.max": "100000 100000"}, "0::/\n", 1),
        (
            {"cpu.max": "max 100000", "pod/cpu.max": "100000 100000", "pod/one/cpu.max": "max 100000"},
            "0::/pod/one\n",
            1,
        ),
        ({"cpu/pod/cpu.cfs_quota_us": "50000", "cpu/pod/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/pod\n", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/\n", None),
    ],
)
def test_a_containers_quota_bounds_the_cores(
    files: dict[str, str], process_groups: str, most: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    (tmp_path / "own").write_text(process_groups)
    unbounded = hardware.usable_cores(tmp_path / "none", tmp_path / "none")
    assert hardware.usable_cores(tmp_path / "groups", tmp_path / "own") == (unbounded if most is None else most)
