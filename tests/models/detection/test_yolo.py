"""Ultralytics models: real YOLOv8n weights, alone and in batches, exported, listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import yolo_weights
from lanewatch.records import LABELS, Image
from models import cli
from models.detection import registry
from models.detection.base import Boxes, ModelMissingError, ObjectDetector


@pytest.fixture(scope="module")
def yolov8n() -> Path:
    return yolo_weights.fetch()


@pytest.fixture(scope="module")
def street(clip: Path) -> list[Image]:
    with av.open(str(clip)) as container:
        frames = enumerate(container.decode(video=0))
        return [frame.to_ndarray(format="bgr24").astype(np.uint8) for number, frame in frames if number % 250 == 9]


@pytest.fixture(scope="module")
def network(yolov8n: Path) -> ObjectDetector:
    return registry.load(str(yolov8n), "cpu", 0.25)


def people(seen: Boxes) -> int:
    return int((seen.labels == LABELS.index("person")).sum())


def test_a_batch_gives_what_single_pictures_give_in_their_order(network: ObjectDetector, street: list[Image]) -> None:
    mixed = [street[0], street[1][:300, :400], street[2], street[3][:, 100:500], street[0][:300, :400]]
    together, alone = network(mixed), [network([image])[0] for image in mixed]
    assert sum(map(people, together)) > 10
    for boxes, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(boxes.xyxy, other.xyxy, atol=0.05)
        np.testing.assert_allclose(boxes.scores, other.scores, atol=1e-3)
        np.testing.assert_array_equal(boxes.labels, other.labels)
    assert network([]) == []


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("kind", "made"), [("openvino", "own_openvino_model"), ("onnx", "own.onnx")])
def test_an_exported_model_sees_what_its_weights_see(
    kind: str,
    made: str,
    yolov8n: Path,
    network: ObjectDetector,
    street: list[Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copy(yolov8n, tmp_path / "own.pt")
    assert cli.models(["export", str(tmp_path / "own.pt"), "--format", kind]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / made)
    exported = registry.load(str(tmp_path / made), "cpu", 0.25)
    assert exported.name == made
    for seen, expected in zip(exported(street), network(street), strict=True):
        assert abs(people(seen) - people(expected)) <= 1


def test_the_list_shows_installed_models_and_how_to_get_the_others(
    yolov8n: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(registry.WEIGHTS_VARIABLE, str(yolov8n.parent))
    assert cli.models([]) == 0
    output = capsys.readouterr().out
    for part in ("nanodet-g", "built in", "cpu", "yolov8n.pt", str(yolov8n.parent), "var/weights", "closed"):
        assert part in output
    finds = {row.split()[0]: row.split()[1] for row in output.partition("\n\n")[0].splitlines()}
    assert [finds[name] for name in ("nanodet-g", "movenet", "yolov8n.pt")] == ["boxes", "joints", "boxes"]
    assert cli.models(["export", "yolov8z"]) == 1
    assert "carry it over" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["broken.pt", "broken.onnx", "broken.engine"])
def test_a_file_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no model at all")
    with pytest.raises(ModelMissingError, match=name):
        registry.load(str(tmp_path / name), "cpu")
