"""`lanewatch check`: what only those who use a site can find wrong in it, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detectors.cli import check
from detectors.site import validation
from detectors.site.json_schema import schema
from lanewatch.config.problems import SiteError

GOOD = """\
id: seosan
name: {ko: 서산, en: Seosan}
schedules:
  night: {hours: ["22:00-05:00"]}
  noon: {hours: ["12:00-13:00"]}
  minute: {hours: ["12:00-12:01"]}
cameras:
  - id: lane-1
    name: {ko: 마을길, en: Village lane}
    url: rtsp://watch:secret@10.0.0.5/stream
    latitude: 36.78
    longitude: 126.45
    zones:
      - id: yard
        name: {ko: 마당, en: Yard}
        kind: closed
        polygon: [[0.1, 0.3], [0.5, 0.3], [0.5, 0.9], [0.1, 0.9]]
        schedule: night
      - id: lane
        name: {ko: 길, en: Lane}
        kind: watch
        polygon: [[0.55, 0.3], [0.95, 0.3], [0.95, 0.9], [0.55, 0.9]]
    lines:
      - id: gate
        name: {ko: 대문, en: Gate}
        points: [[0.1, 0.5], [0.9, 0.5]]
        direction: left_to_right
    masks:
      - [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]
  - id: lane-2
    name: {ko: 둘째 길, en: Second lane}
    url: rtsp://watch:secret@10.0.0.6/stream
    latitude: 36.78
    longitude: 126.46
behaviours:
  loitering:
    thresholds: {dwell_s: 30, exit_grace_s: 2}
    rules:
      - {schedule: night, thresholds: {dwell_s: 20}}
      - {zones: [lane], classes: [person], thresholds: {dwell_s: 15}}
  intrusion:
    enabled: true
"""
LAST_RULE = "- {zones: [lane], classes: [person], thresholds: {dwell_s: 15}}"
LANE = "kind: watch\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_site_passes(tmp_path: Path) -> None:
    site, problems = validation.validate(written(tmp_path, GOOD))
    assert problems == []
    assert site is not None
    assert site.id == "seosan"
    assert validation.load(tmp_path / "site.yaml") == site


def test_a_site_with_problems_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="unknown key `dwel_s`"):
        validation.load(written(tmp_path, GOOD.replace("dwell_s: 30", "dwel_s: 30")))


def test_a_step_that_can_never_be_reached_is_reported(tmp_path: Path) -> None:
    steps = "- {what: on_foot, where: [watch]}\n    - {what: trips}"
    with pytest.raises(SiteError, match="step 2 is never reached: trips needs a vehicle"):
        validation.load(written(tmp_path, GOOD.replace(BEGIN, begins(steps=steps))))
    reached = steps.replace("{what: trips}", "{what: trips, otherwise: [{what: visits}]}")
    validation.load(written(tmp_path, GOOD.replace(BEGIN, begins(steps=reached))))


def test_scoring_without_pictures_needs_neither_sources_nor_networks(tmp_path: Path) -> None:
    text = GOOD.replace("rtsp://watch:secret@10.0.0.5/stream", "gone.mp4") + "detector: {name: yolo99z, pose: movnet}\n"
    site = written(tmp_path, text)
    with pytest.raises(SiteError, match=r"gone\.mp4(.|\n)*yolo99z(.|\n)*movnet"):
        validation.load(site)
    assert validation.load(site, pictures=False).detector.pose == "movnet"


BEGIN = "behaviours:\n"


def begins(more: str = "", *, id: str = "dumping", where: str = "[watch]", steps: str = "") -> str:
    """A composite before the behaviours, with one line more or another one; the flaw is in the composite's lines."""
    steps = steps or f"- {{what: on_foot, where: {where}, for_s: 5}}"
    lines = [
        f"- id: {id}",
        "  name: {ko: 투기, en: Dumping}",
        "  steps:",
        f"    {steps}",
        *([f"  {more}"] if more else []),
    ]
    wrong = 3 if where != "[watch]" else 4 if more and "0.7" not in more else 0
    lines[wrong] += "  # HERE"
    return "composites:\n" + "\n".join(lines) + "\n" + BEGIN


def visited(cameras: str = "[lane-1]", zones: str = "[yard]", until: str = "2026-10-03T23:00:00+09:00") -> str:
    """A registered visit before the behaviours."""
    visit = f"cameras: {cameras}, zones: {zones}, since: '2026-10-03T20:00:00+09:00', until: '{until}'"
    return f"visits:\n- {{who: 이장, {visit}}}  # HERE\n" + BEGIN


# the replaced text, its replacement (HERE marks the expected line), words of the problem, words of the fix
WRONG = [
    # behaviours and their thresholds
    ("  loitering:", "  loittering:  # HERE", "unknown behaviour loittering", "did you mean `loitering`"),
    ("  intrusion:", "  telepathy:  # HERE", "unknown behaviour telepathy", "lanewatch.behaviours"),
    ("dwell_s: 30", "dwel_s: 30", "unknown key `dwel_s`", "did you mean `dwell_s`"),
    ("dwell_s: 30", "dwell_s: long", "`dwell_s` long must be a number", "digits"),
    ("dwell_s: 30", "dwell_s: -1", "`dwell_s` -1 must be at least 1", "at least 1"),
    ("dwell_s: 20}", "dwell: 20}", "unknown key `dwell`", "did you mean `dwell_s`"),
    ("dwell_s: 30", "classes: persn", "persn", "there are"),
    ("dwell_s: 30", "classes: ''", "no class is evaluated", "enabled: false"),
    ("    enabled: true", "    thresholds: 3  # HERE", "`thresholds` 3 must have keys", "key: value"),
    # networks
    (BEGIN, "detector: {pose: movnet}  # HERE\n" + BEGIN, "there is no model movnet", "did you mean `movenet`"),
    (BEGIN, "detector: {name: yolo99z.pt}  # HERE\n" + BEGIN, "there is no model yolo99z.pt", "`lanewatch models`"),
    # happenings of several steps
    (BEGIN, begins("when: [nigt]"), "unknown schedule nigt", "did you mean `night`"),
    (BEGIN, begins(where="[wach]"), "unknown zone or kind of zone wach", "did you mean `watch`"),
    (
        BEGIN,
        begins(steps="- {what: trips, where: [watch]}"),
        "the first step must say where the sequence begins",
        "begin with one",
    ),
    (BEGIN, begins(steps="- {what: on_foot}"), "with `where` and with", "begin with one"),
    (BEGIN, begins("raisers: [" + "{what: stay, score: 0}, " * 21 + "]"), "`raisers`", "20"),
    (BEGIN, begins("raisers: [{what: stay, score: 0.7}]"), "add up to 0.85", "lower them to 0.7"),
    (BEGIN, begins("raisers: [{what: stays}]"), "`what` stays is not known", "did you mean `stay`"),
    (BEGIN, begins("lowerers: [{what: schedule}]"), "`schedule` belongs to", "name one there"),
    (BEGIN, begins("lowerers: [{what: schedule, schedule: nigt}]"), "unknown schedule nigt", "did you mean"),
    (BEGIN, begins("step: 3"), "unknown key `step`", "did you mean `steps`"),
    (BEGIN, begins(id="loitering"), "a behaviour's kind", "another id"),
    (BEGIN, visited(zones="[yrad]"), "unknown zone yrad", "did you mean `yard`"),
    (BEGIN, visited(cameras="[lane-3]"), "unknown camera lane-3", "did you mean"),
    (BEGIN, visited(until="2026-10-03T19:00:00+09:00"), "ends before it begins", "exchange"),
    (BEGIN, visited(until="2026-10-03T23:00:00"), "has no time zone", "+09:00"),
    (BEGIN, visited(until="Sunday"), "`until` Sunday is no time", "write it like"),
    (LANE, "kind: watch\n        owner_hours: nigt  # HERE\n", "unknown schedule nigt", "did you mean `night`"),
    ("behaviours:", "correlations: [roming]  # HERE\nbehaviours:", "unknown correlation roming", "mean `roaming`"),
    # what can never fire
    (LANE, "kind: watch\n        schedule: minute\n", "`dwell_s` 90 s can never be reached in zone lane", "lengthen"),
    (LAST_RULE, "- {classes: [cat], thresholds: {classes: person}}", "`classes` omits", "name them"),
    (LAST_RULE, "- {classes: [cat], thresholds: {dwell_s: 60}}", "cat, which `classes` omits", "name them"),
    (LAST_RULE, "- {thresholds: {dwell_s: 40}}", "rule 1 is hidden by rule 2", "general rule before"),
    (LAST_RULE, "- {schedule: night, thresholds: {dwell_s: 40}}", "rule 1 is hidden by rule 2", "general rule"),
    (LAST_RULE, "- {zones: [lane], cameras: [lane-2], thresholds: {dwell_s: 40}}", "never applies", "of those cameras"),
    (LAST_RULE, "- {zones: [yard], schedule: noon, thresholds: {dwell_s: 40}}", "never applies", "at which they are"),
    # where pictures come from
    ("rtsp://watch:secret@10.0.0.6/stream", "rtps://watch:secret@10.0.0.6/stream", "rtps", "use rtsp"),
    ("rtsp://watch:secret@10.0.0.6/stream", "rtsp://watch:secret@/stream", "names no host", "10.0.0.5"),
    ("watch:secret@10.0.0.6", "watch:two words@10.0.0.6", "characters that end a URL", "a blank as %20"),
    ("watch:secret@10.0.0.6", "watch:a@b/c@10.0.0.6", "characters that end a URL", "/ as %2F @ as %40"),
    ("rtsp://watch:secret@10.0.0.6/stream", "rtsp://watch:sec/ret@10.0.0.6/s", "characters that end a URL", "/ as %2F"),
    ("rtsp://watch:secret@10.0.0.6/stream", "file:nothing.mp4?loop=1", "there is no", "site file's folder"),
    ("rtsp://watch:secret@10.0.0.6/stream", "file:nothing.mp4?lop=1", "lop", "loop"),
    ("rtsp://watch:secret@10.0.0.6/stream", "file:a.mp4?clock=today", "clock=today", "2026-01-15T02:00:00+09:00"),
]


@pytest.mark.parametrize(("old", "new", "what", "fix"), WRONG, ids=[f"{row[1].strip()}-{row[2]}" for row in WRONG])
def test_each_mistake_has_its_line_and_its_fix(tmp_path: Path, old: str, new: str, what: str, fix: str) -> None:
    assert old in GOOD
    begin = GOOD.index(old)
    text = GOOD[:begin] + new + GOOD[begin + len(old) :]
    at = text.find("# HERE") if "# HERE" in text else begin
    if "schedule: minute" in new:  # the wait is wrong, by the schedule of a zone that is defined elsewhere
        text = text.replace("dwell_s: 30", "dwell_s: 90")
        at = text.index("dwell_s: 90")
    if "hidden" in what:  # the rule before is the one to be moved
        at = text.index("- {schedule: night")
    _, problems = validation.validate(written(tmp_path, text))
    fitting = [problem for problem in problems if what in problem.what]
    assert fitting, problems
    assert fitting[0].line == text.count("\n", 0, at) + 1
    assert fix in fitting[0].fix
    assert len(problems) == 1
    assert "secret" not in str(problems)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LAST_RULE, "- {zones: [gate], thresholds: {dwell_s: 40}}"),  # a line, too, is a place
        (LAST_RULE, "- {schedule: noon, thresholds: {dwell_s: 40}}"),  # at another time
        (LAST_RULE, "- {thresholds: {exit_grace_s: 4}}"),  # another threshold: rules are merged name by name
        (LAST_RULE, "- {cameras: [lane-2], thresholds: {dwell_s: 40}}"),  # other cameras
        (LANE, "kind: watch\n        schedule: minute\n"),  # 60 s are enough for a dwell of 30
        ("kind: closed", "kind: lane"),  # nothing dwells there
        ("    enabled: true", "    enabled: off"),  # YAML's word, though no longer its value
    ],
)
def test_what_makes_sense_passes(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    assert validation.validate(written(tmp_path, GOOD.replace(old, new)))[1] == []


def test_thresholds_are_checked_once_all_values_are_valid(tmp_path: Path) -> None:
    wrong_threshold = GOOD.replace("dwell_s: 30", "dwel_s: 30")
    wrong_values = wrong_threshold.replace("id: seosan", "id: Seosan").replace("kind: closed", "kind: x")
    _, problems = validation.validate(written(tmp_path, wrong_values))
    assert [problem.pointer for problem in problems] == ["id", "cameras[0].zones[0].kind"]
    _, problems = validation.validate(written(tmp_path, wrong_threshold))
    assert [problem.pointer for problem in problems] == ["behaviours.loitering.thresholds.dwel_s"]


@pytest.mark.parametrize("url", ["${MISSING}", "rtsp://10.0.0.6:${MISSING}/stream", "clips/${MISSING}.mp4"])
def test_a_missing_variable_of_a_url_is_one_problem(tmp_path: Path, url: str) -> None:
    text = GOOD.replace("rtsp://watch:secret@10.0.0.6/stream", url)
    site, problems = validation.validate(written(tmp_path, text))
    assert [(problem.pointer, "MISSING" in problem.what) for problem in problems] == [("cameras[1].url", True)]
    assert validation.load(tmp_path / "site.yaml", pictures=False) == site


def test_ok_prints_what_is_watched_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GOOD)
    assert check([str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path}: OK\n")
    for line in (
        "zone yard (closed), night: 22:00-05:00: intrusion",
        "zone lane (watch), always: loitering",
        "line gate (left to right), always: line_crossing",
        "privacy masks: 1",
        "nothing is watched for here",
        "all cameras together: ",
    ):
        assert line in printed
    assert "secret" not in printed


def test_a_behaviour_that_is_switched_off_watches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(written(tmp_path, GOOD.replace("enabled: true", "enabled: false")))]) == 0
    assert "zone yard (closed), night: 22:00-05:00: nothing is watched for" in capsys.readouterr().out


def test_correlations_can_be_switched_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(written(tmp_path, f"{GOOD}correlations: []\n"))]) == 0
    assert "all cameras together: nothing is looked for" in capsys.readouterr().out


def test_problems_are_printed_one_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, GOOD.replace("kind: closed", "kind: closd").replace("id: seosan", "id: Seosan"))
    assert check([str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}:1: `id` Seosan is not an id; use small letters")
    assert lines[1] == (f"{path}:16: `kind` closd is not known here; did you mean `closed`? [cameras[0].zones[0].kind]")
    assert lines[2] == "2 problems"


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = written(tmp_path, GOOD)
    assert check([str(good), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "site": "seosan", "problems": []}
    bad = written(tmp_path, GOOD.replace("kind: closed", "kind: closd"))
    assert check([str(bad), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["problems"] == [
        {
            "file": str(bad),
            "line": 16,
            "pointer": "cameras[0].zones[0].kind",
            "what": "`kind` closd is not known here",
            "fix": "did you mean `closed`?",
        }
    ]


@pytest.mark.parametrize("argv", [[], ["site.yaml", "--schema"], ["--nonsense"]])
def test_a_wrong_call_prints_the_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        check(argv)
    assert caught.value.code == 2
    assert "usage: lanewatch check" in capsys.readouterr().err


def parts(node: Any) -> list[dict[str, Any]]:
    """All fields that a schema describes."""
    if isinstance(node, list):
        return [field for item in node for field in parts(item)]
    if not isinstance(node, dict):
        return []
    properties = list(node["properties"].values()) if isinstance(node.get("properties"), dict) else []
    return properties + [field for value in node.values() for field in parts(value)]


def test_every_field_of_the_schema_has_title_and_description(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(["--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    fields = parts(printed)
    assert len(fields) > 60
    assert [field for field in fields if not field.get("title") or not field.get("description")] == []


def test_the_schema_knows_the_thresholds_of_every_behaviour() -> None:
    whole = schema()
    assert {"loitering", "intrusion", "line_crossing"} <= set(whole["properties"]["behaviours"]["properties"])
    assert "dwell_s" in whole["$defs"]["LoiteringThresholds"]["properties"]


@pytest.mark.parametrize(
    ("old", "new", "valid"),
    [
        ("", "", True),
        ("dwell_s: 30", "dwel_s: 30", False),
        ("dwell_s: 15", "dwel_s: 15", False),
        ("dwell_s: 30", "dwell_s: 0", False),
        ("  loitering:", "  loittering:", False),
        ("kind: closed", "kind: closd", False),
        ("kind: closed", "kind: closed\n        knid: x", False),
        ("0.1, 0.9]]", "0.1, 1.9]]", False),
        ("22:00-05:00", "22-5", False),
        ("id: seosan", "id: Seosan", False),
    ],
)
def test_the_schema_as_another_validator_reads_it(tmp_path: Path, old: str, new: str, valid: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from ruamel.yaml import YAML

    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    assert validator.is_valid(YAML(typ="safe").load(GOOD.replace(old, new) if old else GOOD)) is valid
