"""A valid site file, and each way in which it can be invalid, with the line that must be reported."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lanewatch.config.loader import SiteFile, load
from lanewatch.config.problems import SiteError

GOOD = """\
id: seosan
name: {ko: 서산, en: Seosan}
time_zone: Asia/Seoul
schedules:
  night: {hours: ["22:00-05:00"]}
  harvest: {months: [9, 10], sun: dark}
  never: {hours: ["12:00-13:00"], sun: night}
cameras:
  - id: lane-1
    name: {ko: 마을길, en: Village lane}
    url: rtsp://watch:${CAMERA_PASSWORD}@10.0.0.5/stream
    latitude: 36.78
    longitude: 126.45
    rate: {active: 5, idle: 0.5}
    zones:
      - id: yard
        name: {ko: 마당, en: Yard}
        kind: closed
        polygon: [[0.1, 0.3], [0.5, 0.3], [0.5, 0.9], [0.1, 0.9]]
        schedule: night
      - id: field
        name: {ko: 고추밭, en: Pepper field}
        kind: produce
        polygon: [[0.55, 0.3], [0.95, 0.3], [0.95, 0.9], [0.55, 0.9]]
        schedule: harvest
    lines:
      - id: gate
        name: {ko: 대문, en: Gate}
        points: [[0.1, 0.5], [0.9, 0.5]]
        direction: left_to_right
    masks:
      - [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]
bells:
  - {id: bell-1, name: {ko: 비상벨, en: Bell}, latitude: 36.78, longitude: 126.45, camera: lane-1}
behaviours:
  loitering:
    thresholds: {dwell_s: 30}
    rules:
      - {zones: [yard], classes: [person], schedule: night, thresholds: {dwell_s: 20}}
"""
SECRET = "pa55w0rd"
ENVIRONMENT = {"CAMERA_PASSWORD": SECRET}
CORNERS = "[[0.1, 0.3], [0.5, 0.3], [0.5, 0.9], [0.1, 0.9]]"
GATE = "[[0.1, 0.5], [0.9, 0.5]]"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "site.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_valid_file_is_a_site(tmp_path: Path) -> None:
    site = load(written(tmp_path, GOOD), ENVIRONMENT)
    assert site.id == "seosan"
    camera = site.camera("lane-1")
    assert camera.url == f"rtsp://watch:{SECRET}@10.0.0.5/stream"
    assert [place.id for place in camera.places] == ["yard", "field", "gate"]
    assert camera.zones[0].polygon == ((0.1, 0.3), (0.5, 0.3), (0.5, 0.9), (0.1, 0.9))
    assert site.schedules["harvest"].months == (9, 10)
    assert site.behaviours["loitering"].rules[0].thresholds == {"dwell_s": 20}


# text to replace, replacement (HERE marks the line to be reported), words of the problem, words of the fix
WRONG = [
    # keys
    ("schedules:", "shedules: {}  # HERE\nschedules:", "unknown key `shedules`", "did you mean `schedules`"),
    ("    rate:", "    colour: red  # HERE\n    rate:", "unknown key `colour`", "known are"),
    ("        kind: closed", "        kind: closed\n        knid: x  # HERE", "unknown key `knid`", "`kind`"),
    ("idle: 0.5}", "idle: 0.5, idel: 1}  # HERE", "unknown key `idel`", "did you mean `idle`"),
    ("    latitude: 36.78\n", "", "`latitude` is missing", "Degrees north"),
    ("kind: closed", "kind: closed\n        kind: watch  # HERE", "`kind` is given twice", "remove one"),
    ("name: {ko: 서산, en: Seosan}", "name: {ko: 서산}  # HERE", "`en` is missing", "add it"),
    # values
    ("id: lane-1", "id: 1  # HERE", "`id` 1 must be text", 'put it in quotes: "1"'),
    ("id: lane-1", "id: Lane 1  # HERE", "`id` Lane 1 is not an id", "such as `lane-1`"),
    ("id: lane-1", "id:  # HERE", "`id` is empty", "give it a value"),
    ("kind: closed", "kind: closd  # HERE", "`kind` closd is not known", "did you mean `closed`"),
    ("kind: closed", "kind: off  # HERE", "`kind` off is not known", "known are `closed`"),
    ("latitude: 36.78\n    longitude", "latitude: 136.78  # HERE\n    longitude", "at most 90", "give a value"),
    ("longitude: 126.45\n    rate", "longitude: 126°27'  # HERE\n    rate", "must be a number", "without quotes"),
    ("latitude: 36.78\n    longitude", "latitude: .nan  # HERE\n    longitude", "must be a number", "digits"),
    ("active: 5", "active: 0", "`active` 0 must be above 0", "above 0"),
    ("active: 5, idle: 0.5", "active: 2, idle: 5", "idle rate 5 is above the active rate 2", "exchange"),
    ("months: [9, 10]", "months: [9, 13]", "item 2 of `months` 13 must be at most 12", "at most 12"),
    ("name: {ko: 마당, en: Yard}", "name: Yard  # HERE", "`name` Yard must have keys", "key: value"),
    ("    masks:\n      - [[", "    masks: none  # HERE\n    #   [[", "`masks` none must be a list", "[ ]"),
    ("id: seosan", "version: 2  # HERE\nid: seosan", "`version` 2 is not known", "`1`"),
    # times
    ("22:00-05:00", "22:00-5:00", "item 1 of `hours` 22:00-5:00 is not HH:MM-HH:MM", "such as 22:00-05:00"),
    ("22:00-05:00", "22:00-24:30", "is not HH:MM-HH:MM", "two digits"),
    ("22:00-05:00", "22시-5시", "is not HH:MM-HH:MM", "two digits"),
    ('["22:00-05:00"]', '["22:00-05:00"], days: [friday]', "item 1 of `days` friday", "did you mean `fri`"),
    ('["22:00-05:00"]', '["22:00-05:00"], sun: moon', "`sun` moon is not known", "known are"),
    ("schedule: night\n      - id", "schedule: nihgt  # HERE\n      - id", "unknown schedule nihgt", "`night`"),
    ("time_zone: Asia/Seoul", "time_zone: Asia/Soul  # HERE", "time zone Asia/Soul is unknown", "`Asia/Seoul`"),
    ("    rate:", "    time_zone: Korea/Daejeon  # HERE\n    rate:", "time zone Korea/Daejeon", "IANA"),
    ("    rate:", "    time_zone: ../etc  # HERE\n    rate:", "time zone ../etc is unknown", "IANA"),
    ("schedule: harvest", "schedule: never", "schedule never never holds at this camera", "overlap"),
    ("    rate:", "    time_zone: seoul  # HERE\n    rate:", "time zone seoul is unknown", "`Asia/Seoul`"),
    # shapes
    (CORNERS, "[[0.1, 0.3], [0.5, 0.9], [0.5, 0.3], [0.1, 0.9]]", "zone yard crosses", "in order"),
    (CORNERS, "[[0.1, 0.3], [0.12, 0.3], [0.12, 0.32]]", "too little for a foot", "larger"),
    (CORNERS, "[[0.1, 0.3], [0.5, 0.3]]", "`polygon` is too short", "at least 3 items"),
    (CORNERS, "[[0.1, 0.3], [0.5, 1.3], [0.1, 0.9]]", "y of point 2 1.3 lies outside of the frame", "not pixels"),
    (CORNERS, "[[0.1, 0.3], [-0.1, 0.3], [0.1, 0.9]]", "x of point 2 -0.1 lies outside", "fractions"),
    (CORNERS, "[[10, 30], [50, 30], [50, 90]]", "outside of the frame", "not pixels"),
    (CORNERS, "[[0.1, 0.3], [0.5], [0.1, 0.9]]", "y of point 2 is missing", "add it"),
    (CORNERS, "[[0.1, 0.3], [0.5, 0.3, 0.1], [0.1, 0.9]]", "item 2 of `polygon` is too long", "at most 2"),
    (CORNERS, "[[0.01, 0.01], [0.15, 0.01], [0.15, 0.14]]", "wholly under privacy masks", "move it"),
    (GATE, "[[0.14, 0.04], [0.17, 0.07]]", "line gate lies wholly under privacy masks", "move it"),
    ("[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]", "[[0.0, 0.0], [0.2, 0.2], [0.2, 0.0], [0, 0.2]]", "the mask", "order"),
    ("[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]", "[[0.0, 0.0]]", "item 1 of `masks` is too short", "at least 3 items"),
    ("[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]", "[[0.0, 0.0], [0, 1.5], [1, 1]]", "y of point 2 1.5 lies outside", "not"),
    (GATE, "[[0.1, 0.99], [0.9, 0.99]]", "too near the frame's edge", "leave 3%"),
    (GATE, "[[0.1, 0.01], [0.9, 0.01]]", "too near the frame's edge", "leave 3%"),
    (GATE, "[[0.985, 0.1], [0.985, 0.9]]", "too near the frame's edge", "leave 3%"),
    (GATE, "[[0.0, 0.1], [0.0, 0.9]]", "too near the frame's edge", "leave 3%"),
    (GATE, "[[0.5, 0.5], [0.505, 0.5]]", "too short to be crossed", "2% of the frame apart"),
    (GATE, "[[0.5, 0.5], [0.5, 0.5]]", "too short to be crossed", "apart"),
    # lanes and fences
    ("kind: produce", "kind: lane\n        direction: [[0.6, 0.5], [0.605, 0.5]]  # HERE", "too short to point", "2%"),
    (
        "kind: produce",
        "kind: produce\n        direction: [[0.6, 0.5], [0.9, 0.5]]  # HERE",
        "is no lane",
        "make it a lane",
    ),
    ("kind: produce", "kind: lane\n        direction: north  # HERE", "`direction`", ""),
    (
        "direction: left_to_right",
        "kind: fence\n        direction: left_to_right  # HERE",
        "climbed either way",
        "remove",
    ),
    (GATE, "[[0.1, 0.5], [0.9, 0.5]]\n        kind: fense  # HERE", "fense", "did you mean `fence`"),
    # names that are taken or missing
    ("id: field", "id: yard  # HERE", "the id yard is used twice", "its own"),
    ("id: gate", "id: yard  # HERE", "the id yard is used twice", "its own"),
    ("camera: lane-1}", "camera: lane-2}  # HERE", "unknown camera lane-2", "did you mean `lane-1`"),
    ("zones: [yard]", "zones: [yrad]", "unknown zone or line yrad", "did you mean `yard`"),
    ("classes: [person]", "cameras: [lain-1]", "unknown camera lain-1", "did you mean `lane-1`"),
    ("classes: [person]", "classes: [persn]", "unknown class persn", "did you mean `person`"),
    ("schedule: night, thr", "schedule: nite, thr", "unknown schedule nite", "did you mean `night`"),
    ("thresholds: {dwell_s: 20}", "thresholds: {}", "changes no threshold", "remove the rule"),
    # secrets
    ("CAMERA_PASSWORD", "CAMERA_PASSWROD", "the environment has no CAMERA_PASSWROD", "export CAMERA_PASSWROD="),
]


def wrong_text(old: str, new: str) -> tuple[str, int]:
    """The valid text with one mistake, and the line that must be reported."""
    assert GOOD.count(old) >= 1
    begin = GOOD.index(old)
    text = GOOD[:begin] + new + GOOD[begin + len(old) :]
    marked = text.find("# HERE")
    if not new:  # a missing key has the line of its mapping
        return text, GOOD[:begin].count("\n", 0, GOOD.index("- id: lane-1")) + 1
    return text, text.count("\n", 0, marked if marked >= 0 else begin) + 1


@pytest.mark.parametrize(("old", "new", "what", "fix"), WRONG, ids=[f"{row[1].strip()}-{row[2]}" for row in WRONG])
def test_each_mistake_has_its_line_and_its_fix(tmp_path: Path, old: str, new: str, what: str, fix: str) -> None:
    text, line = wrong_text(old, new)
    path = written(tmp_path, text)
    with pytest.raises(SiteError) as caught:
        load(path, ENVIRONMENT)
    fitting = [problem for problem in caught.value.problems if what in problem.what]
    assert fitting, caught.value
    assert fitting[0].line == line
    assert fix in fitting[0].fix
    assert str(fitting[0]).startswith(f"{path}:{line}: ")
    assert SECRET not in str(caught.value)
    assert len(caught.value.problems) <= 3, "one mistake must not cause problems elsewhere"


def test_mistakes_are_reported_in_two_passes_in_the_files_order(tmp_path: Path) -> None:
    """Invalid values come first. Mistakes across parts follow once every value is valid."""
    across_parts = (
        GOOD.replace(GATE, "[[0.1, 0.99], [0.9, 0.99]]")
        .replace("classes: [person]", "classes: [persn]")
        .replace("schedule: harvest", "schedule: havrest")
    )
    text = (
        across_parts.replace("id: seosan", "id: Seosan")
        .replace("kind: closed", "kind: closd")
        .replace("direction:", "directoin:")
        .replace("months: [9, 10]", "months: [13]")
        .replace("longitude: 126.45\n", "longitude: 999\n")
    )
    first = SiteFile(written(tmp_path, text), {})
    assert [problem.pointer for problem in first.problems] == [
        "id",
        "schedules.harvest.months[0]",
        "cameras[0].url",
        "cameras[0].longitude",
        "cameras[0].zones[0].kind",
        "cameras[0].lines[0].directoin",
    ]
    assert first.site is None
    second = SiteFile(written(tmp_path, across_parts), ENVIRONMENT)
    assert [problem.pointer for problem in second.problems] == [
        "cameras[0].zones[1].schedule",
        "cameras[0].lines[0].points",
        "behaviours.loitering.rules[0].classes[0]",
    ]
    for file in (first, second):
        assert [problem.line for problem in file.problems] == sorted(problem.line for problem in file.problems)


def test_a_missing_variable_does_not_hide_mistakes_across_parts(tmp_path: Path) -> None:
    file = SiteFile(written(tmp_path, GOOD.replace("schedule: harvest", "schedule: havrest")), {})
    assert [problem.pointer for problem in file.problems] == ["cameras[0].url", "cameras[0].zones[1].schedule"]


def test_a_variable_is_replaced_once_although_an_alias_repeats_its_part(tmp_path: Path) -> None:
    kafka = "kafka: {brokers: [&broker '${A}', *broker]}\n"
    site = load(written(tmp_path, GOOD + kafka), {**ENVIRONMENT, "A": "${B}:1", "B": "wrong"})
    assert site.kafka.brokers == ("${B}:1", "${B}:1")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty"),
        ("- a\n- b\n", 1, "the file must have keys"),
        ("just words\n", 1, "the file must have keys"),
        ("12\n", 1, "the file must have keys"),
        ("name: {ko: 가, en: a}\ncameras: []\n", 2, "`cameras` is too short"),
        ("name: {ko: 가, en: a}\n", 1, "`cameras` is missing"),
        ("name: {ko: 가, en: a}\ncameras: [1]\n", 2, "item 1 of `cameras` 1 must have keys"),
        ("name: {ko: 가, en: a}\ncameras: {a: b}\n", 2, "`cameras` must be a list"),
        ("name: {ko: 가, en: a}\nschedules: []\ncameras:\n  - {}\n", 4, "`url` is missing"),
        ("cameras:\n  - {id: a, zones: 3, lines: {}, masks: [[[]]]}\nschedules: {Nacht: {}}\n", 3, "not an id"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
        (b"\xb0\xa1: 1\n", 1, "UTF-8"),
    ],
)
def test_content_that_is_no_site(tmp_path: Path, text: str | bytes, line: int, what: str) -> None:
    with pytest.raises(SiteError) as caught:
        load(written(tmp_path, text), {})
    assert (line, True) in [(problem.line, what in problem.what) for problem in caught.value.problems]


def test_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(SiteError, match=r"can't be read.*give the path"):
            load(path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("clips/a.mp4", "{folder}/clips/a.mp4"),
        ("/srv/a.mp4", "/srv/a.mp4"),
        ("file:///srv/a.mp4?loop=1", "file:///srv/a.mp4?loop=1"),
        ("file:a.mp4?clock=2026-01-15T02:00:00+09:00", "file://{folder}/a.mp4?clock=2026-01-15T02:00:00+09:00"),
        ("file://a.mp4?loop=1&pace=live", "file://{folder}/a.mp4?loop=1&pace=live"),
        ("file:///srv/마을%20길.mp4", "file:///srv/%EB%A7%88%EC%9D%84%20%EA%B8%B8.mp4"),
        ("https://10.0.0.5/a.mp4", "https://10.0.0.5/a.mp4"),
        ("rtsp://${USER_NAME}:${CAMERA_PASSWORD}@h/s", f"rtsp://ann:{SECRET}@h/s"),
        ("${WHOLE}", "rtsp://h/s"),
        ("rtsp://h/s?price=$5&x=${1}", "rtsp://h/s?price=$5&x=${1}"),
    ],
)
def test_urls(tmp_path: Path, url: str, expected: str) -> None:
    text = GOOD.replace("rtsp://watch:${CAMERA_PASSWORD}@10.0.0.5/stream", url)
    environment = {**ENVIRONMENT, "USER_NAME": "ann", "WHOLE": "rtsp://h/s"}
    site = load(written(tmp_path, text), environment)
    assert site.cameras[0].url == expected.replace("{folder}", str(tmp_path))


def test_a_path_starts_from_the_files_folder_in_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, GOOD.replace("rtsp://watch:${CAMERA_PASSWORD}@10.0.0.5/stream", "a.mp4"))
    monkeypatch.chdir(tmp_path.parent)
    site = load(Path(tmp_path.name) / "site.yaml", {})
    assert site.cameras[0].url == f"{tmp_path}{os.sep}a.mp4"


def test_a_password_is_in_no_text_of_the_site(tmp_path: Path) -> None:
    site = load(written(tmp_path, GOOD), ENVIRONMENT)
    assert SECRET not in repr(site)
    assert SECRET not in str(site)


def test_the_digest_depends_on_what_is_watched_and_not_on_urls(tmp_path: Path) -> None:
    digest = load(written(tmp_path, GOOD), ENVIRONMENT).digest
    assert load(written(tmp_path, GOOD), {"CAMERA_PASSWORD": "another"}).digest == digest
    assert load(written(tmp_path, GOOD.replace("dwell_s: 20", "dwell_s: 21")), ENVIRONMENT).digest != digest
    assert load(written(tmp_path, f"# a comment\n{GOOD}"), ENVIRONMENT).digest == digest


def test_a_mistake_in_the_last_of_many_cameras(tmp_path: Path) -> None:
    camera = dedent(GOOD[GOOD.index("  - id: lane-1") : GOOD.index("bells:")])
    block = "".join(f"  {line}\n" for line in camera.splitlines())
    many = "".join(block.replace("lane-1", f"lane-{number}") for number in range(100))
    head = GOOD[: GOOD.index("  - id: lane-1")]
    broken = many[::-1].replace("closed"[::-1], "closd"[::-1], 1)[::-1]
    file = SiteFile(written(tmp_path, head + broken), ENVIRONMENT)
    assert [problem.pointer for problem in file.problems] == ["cameras[99].zones[0].kind"]
    valid = SiteFile(written(tmp_path, head + many), ENVIRONMENT)
    assert valid.problems == []
    assert valid.site is not None
    assert len(valid.site.cameras) == 100


STRANGE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every place of a file's content, as its mapping or list and its key there."""
    keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    return [place for key in keys for place in [(node, key), *places(node[key])]]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_content_is_a_site_or_has_problems_with_lines(tmp_path: Path, data: st.DataObject) -> None:
    """JSON is YAML, so any value can be put in any place of the valid file."""
    content = YAML(typ="safe").load(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(content)
        holder, key = found[data.draw(st.integers(0, len(found) - 1))]
        if data.draw(st.booleans()):
            holder[key] = data.draw(STRANGE)
        else:
            del holder[key]
    text = json.dumps(content, indent=1).replace("NaN", ".nan").replace("Infinity", ".inf")
    file = SiteFile(written(tmp_path, text), ENVIRONMENT)
    assert file.site is not None or file.problems
    for problem in file.problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.what
        assert problem.fix
    assert SECRET not in str(file.problems)
