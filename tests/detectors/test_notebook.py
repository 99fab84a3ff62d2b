"""The functions of ``import lanewatch``: what a data scientist types wrongly gets an error that says what to do."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas
import polars
import pytest

import lanewatch
from detectors.behaviours.base import BehaviourError
from detectors.thresholds import ThresholdError
from lanewatch.cli import main
from lanewatch.config.site import Site
from models.detection.base import ModelMissingError
from tests.streams.archive.test_detections_archive import detections as archived
from tests.test_architecture import MODULES, ROOT, WRAPPER_MODULES


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


def by_pandas(folder: Path) -> list[tuple[object, ...]]:
    table = pandas.read_parquet(folder)
    boxes, brightness = table["xyxy"].map(len), table["scene"].map(lambda scene: scene["brightness"])
    return list(zip(table["camera"], table["slot"], boxes, brightness, strict=True))


def by_polars(folder: Path) -> list[tuple[object, ...]]:
    columns = "camera", "slot", polars.col("xyxy").list.len(), polars.col("scene").struct.field("brightness")
    return polars.scan_parquet(folder).select(*columns).collect().rows()


def by_duckdb(folder: Path) -> list[tuple[object, ...]]:
    query = f"SELECT camera, slot, len(xyxy), scene.brightness FROM '{folder}/**/*.parquet'"
    with duckdb.connect() as connection:
        return connection.sql(query).fetchall()


@pytest.mark.parametrize("reader", [by_pandas, by_polars, by_duckdb], ids=["pandas", "polars", "duckdb"])
def test_other_tools_read_an_archive_as_it_is(
    reader: Callable[[Path], list[tuple[object, ...]]], tmp_path: Path
) -> None:
    """The folders are cameras and days. A camera's name with ``=`` is no column."""
    cameras, slots = ("gate", "lane", "side=east"), (0, 200, 86_400_000)
    written = [archived(slot, camera=camera) for camera in cameras for slot in slots]
    with lanewatch.Archive(tmp_path) as archive:
        for record in written:
            archive.append(record)
    expected = [(record.camera, record.slot, record.xyxy.size, record.scene.brightness) for record in written]
    assert sorted(reader(tmp_path)) == sorted(expected)


HELP = """
import importlib, pydoc, sys
texts = {}
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    texts[name] = pydoc.render_doc(module) + repr(vars(module))
print([name for name, text in texts.items() if "g3heim-and-unique" in text], len(texts))
"""


def test_no_help_and_no_value_of_a_module_shows_the_environment() -> None:
    """Passwords of cameras lie there. A default value is printed by every help, and by ``?`` in a notebook."""
    modules = sorted(set(MODULES) - WRAPPER_MODULES - {"lanewatch.__main__"})
    environment = os.environ | {"LANE_PASSWORD": "g3heim-and-unique"}
    command = [sys.executable, "-c", HELP, *modules]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
    assert done.stdout == f"[] {len(modules)}\n"


def test_no_repr_schema_or_error_shows_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANE_PASSWORD", "g3heim-and-unique")
    text = re.sub(r"url: .*", "url: rtsp://admin:${LANE_PASSWORD}@10.0.0.1/1", lanewatch.DEMO.read_text("utf-8"))
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    site = lanewatch.load_site(file)
    assert "g3heim-and-unique" in site.cameras[0].url
    shown = [repr(site), str(site.cameras), json.dumps(lanewatch.Site.model_json_schema())]
    for wrong in (
        lambda: lanewatch.detect(site),
        lambda: lanewatch.with_thresholds(site, "nosuch"),
        lambda: lanewatch.with_thresholds([site], "loitering"),  # type: ignore[arg-type]
        lambda: site.camera("nosuch"),
        lambda: lanewatch.Site.model_validate({"cameras": [site.cameras[0]]}),
    ):
        with pytest.raises((KeyError, TypeError, ValueError, BehaviourError)) as caught:
            wrong()
        shown.append("".join(traceback.format_exception(caught.value)))
    assert [text for text in shown if "g3heim-and-unique" in text] == []


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"lanewatch {lanewatch.__version__}\n"


def test_the_stub_types_every_name() -> None:
    tree = ast.parse((Path(lanewatch.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == lanewatch.__all__
    assert lanewatch.__version__
