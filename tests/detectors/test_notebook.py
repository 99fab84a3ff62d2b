"""The functions of ``import lanewatch``: what a data scientist types wrongly gets an error that says what to do."""

from __future__ import annotations

import ast
import inspect
import os
import pydoc
from pathlib import Path

import pandas
import pytest

import lanewatch
from detectors.behaviours.base import BehaviourError
from detectors.thresholds import ThresholdError
from lanewatch.config.site import Site
from models.detection.base import ModelMissingError
from tests.streams.archive.test_detections_archive import detections as archived


@pytest.fixture(scope="module")
def site() -> Site:
    return lanewatch.load_site(lanewatch.DEMO)


def test_a_misspelt_behaviour_is_refused_with_a_suggestion(site: Site) -> None:
    with pytest.raises(BehaviourError, match=r"no behaviour 'loitring'; did you mean `loitering`\?"):
        lanewatch.with_thresholds(site, "loitring", dwell_s=30)


@pytest.mark.parametrize("wrong", [{"dwel_s": 30}, {"dwell_s": -1}, {"dwell_s": "long"}])
def test_a_wrong_threshold_is_refused_with_the_known_ones(wrong: dict[str, object], site: Site) -> None:
    with pytest.raises(ThresholdError, match=r"loitering.*dwell_s"):
        lanewatch.with_thresholds(site, "loitering", **wrong)


def test_a_file_is_no_site() -> None:
    with pytest.raises(TypeError, match=r"load_site.*'clip\.mp4'"):
        lanewatch.detect("clip.mp4")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"load_site.*'site\.yaml'"):
        lanewatch.with_thresholds("site.yaml", "loitering", dwell_s=3)  # type: ignore[arg-type]


def test_a_network_may_be_named(site: Site) -> None:
    with pytest.raises(ModelMissingError, match="no-such-network"):
        lanewatch.detect(site, network="no-such-network")


def test_events_are_no_alarms() -> None:
    with pytest.raises(TypeError, match=r"alarms as instants, such as lanewatch\.alarms\(events\).*str"):
        lanewatch.match(["an event"], [])  # type: ignore[list-item]


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="arch: no such file or folder"):
        next(lanewatch.read(str(tmp_path / "arch")))


def test_pandas_reads_an_archive_as_it_is(tmp_path: Path) -> None:
    day_ms = 86_400_000
    with lanewatch.Archive(tmp_path) as archive:
        for camera in ("gate", "lane"):
            for slot in (0, 200, day_ms):
                archive.append(archived(slot, camera=camera))
    table = pandas.read_parquet(tmp_path)
    assert sorted(zip(table["camera"], table["slot"], strict=True)) == [
        (camera, slot) for camera in ("gate", "lane") for slot in (0, 200, day_ms)
    ]
    assert {len(boxes) for boxes in table["xyxy"]} == {8}


def test_help_shows_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of a camera lies there, and a default value is printed by every help."""
    monkeypatch.setenv("LANE_PASSWORD", "g3heim-and-unique")
    for name in set(lanewatch.__all__) - {"__version__"}:
        found = getattr(lanewatch, name)
        assert "g3heim-and-unique" not in pydoc.render_doc(found), name
        if inspect.isfunction(found):
            assert all(part.default is not os.environ for part in inspect.signature(found).parameters.values())


def test_the_stub_types_every_name() -> None:
    tree = ast.parse((Path(lanewatch.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == lanewatch.__all__
    assert lanewatch.__version__
