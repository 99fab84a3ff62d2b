"""``lanewatch evaluate`` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from detectors.behaviours import registry
from detectors.behaviours.registry import installed
from detectors.event_table import lines
from lanewatch import demo
from lanewatch.cli import main
from lanewatch.records import Detections
from lanewatch.text_table import width
from streams.archive.detections_archive import DetectionsArchive
from tests.detectors.evaluation.examples import START, written, xml
from tests.detectors.walker_records import SITE, loiterer, make_record, site, watch

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: object) -> tuple[int, str, str]:
        status = main(["evaluate", *map(str, argv)])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def stay() -> list[Detections]:
    """A person enters the yard and stays for a minute; the threshold is ten seconds."""
    return loiterer(120, start=START)


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    return written(tmp_path, json.dumps(SITE, ensure_ascii=False), "site.yaml")


def truth_file(folder: Path, *items: str, head: str = "duration_s: 120\n", camera: str = "lane") -> Path:
    happenings = "".join(f"  - {{{item}}}\n" for item in items)
    text = (
        f"camera: {camera}\nstart: 2026-01-15T02:00:00+09:00\n{head}happenings: {'' if items else '[]'}\n{happenings}"
    )
    return written(folder, text, f"truth-{camera}.yaml")


def raised_at(stay: list[Detections]) -> float:
    return next(event.started_at for event in watch(stay, site()) if event.kind == "loitering") - START


def archived(folder: Path, records: list[Detections]) -> Path:
    with DetectionsArchive(folder) as writer:
        for record in records:
            writer.append(record)
    return folder


def test_the_self_test(run: Run) -> None:
    assert run("--self-test") == (0, "hit, late, none, spurious: TP 1, FN 2, FP 2\n", "")


def test_archived_detections_are_scored_and_the_time_has_no_holes(
    run: Run, stay: list[Detections], site_file: Path, tmp_path: Path
) -> None:
    """Of two minutes the last is missing but for ten seconds; shuffled and with records twice it is the same."""
    part = [record for record in stay if not 80 < record.captured_at - START < 110]
    at = raised_at(stay)
    truth = truth_file(tmp_path, f"kind: loitering, zone: yard, at_s: {at - 4:.1f}")
    first = run(archived(tmp_path / "a", part), "--truth", truth, "--site", site_file, "--kinds", "loitering", "--json")
    shuffled = archived(tmp_path / "b", [*part[::2], *part[1::2], *part[50:90]])
    second = run(shuffled, "--truth", truth, "--site", site_file, "--kinds", "loitering", "--json")
    assert first[0] == second[0] == 0
    report, report_again = json.loads(first[1]), json.loads(second[1])
    assert (report["overall"]["hits"], report["overall"]["false"], report["overall"]["missed"]) == (1, 0, 0)
    assert report["overall"]["camera_hours"] * 3600 == pytest.approx(80 + 9.8, abs=0.3)
    assert report["overall"] == report_again["overall"]


def test_an_event_is_an_alarm_from_the_severity_of_the_option_on(
    run: Run, stay: list[Detections], site_file: Path, tmp_path: Path
) -> None:
    """The stay is watched from ten seconds on, alerts later, and is over before it would suggest dispatch."""
    events = [event for event in watch(stay, site()) if event.kind == "loitering"]
    alerts = min(event.updated_at for event in events if event.severity >= 2) - START
    assert alerts > raised_at(stay) + 5
    truth = truth_file(tmp_path, f"kind: loitering, zone: yard, at_s: {alerts:.1f}")
    folder = archived(tmp_path / "kept", [record for record in stay if record.captured_at - START < alerts + 3])
    found = {}
    for severity in (1, 2, 3):
        more = ("--site", site_file, "--kinds", "loitering", "--json", "--severity", severity)
        status, out, err = run(folder, "--truth", truth, *more)
        assert (status, err) == (0, "")
        overall = json.loads(out)["overall"]
        found[severity] = overall["hits"], overall["false"], overall["missed"]
    assert found == {1: (0, 1, 1), 2: (1, 0, 0), 3: (0, 0, 1)}
    lasts = written(tmp_path, lines(events[-1:]), "events.jsonl")
    status, _, err = run(lasts, "--truth", truth, "--severity", 2)
    assert status == 1
    assert "--severity 2 give archived detections and --site" in err


def test_a_report_of_two_runs_with_its_pictures(
    run: Run, stay: list[Detections], site_file: Path, tmp_path: Path
) -> None:
    events = written(tmp_path, lines(watch(stay, site())), "events.jsonl")
    silent = written(tmp_path, "", "silent.jsonl")
    truth = truth_file(tmp_path, f"kind: loitering, zone: yard, at_s: {raised_at(stay):.1f}, what: 'a | <b>man</b>'")
    folder = tmp_path / "report"
    status, out, err = run(
        *(events, "--truth", truth, "--site", site_file, "--protocol", "actev", "--by", "condition", "--by", "kind"),
        *("--compare", silent, "--report", folder, "--kinds", "loitering"),
    )
    assert (status, err) == (0, "")
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "| night | 1 | 1 | 1 | 0 | 0 |" in report
    assert "### Found by this alone" in report
    assert "a \\| &lt;b>man&lt;/b>" in report
    assert "One false alarm" not in out
    for name in ("by-condition.png", "by-kind.png", "miss-rate.png"):
        assert name in report
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_without_matching_labels_does_not_pass(run: Run, stay: list[Detections], tmp_path: Path) -> None:
    """The run is of another camera than the labels: F1 over no truths and no alarms is 1, and means nothing."""
    events = written(tmp_path, lines(watch(stay, site())), "events.jsonl")
    truth = truth_file(tmp_path, camera="elsewhere")
    status, out, err = run(events, "--truth", truth)
    assert (status, err) == (0, "")
    assert "Nothing was judged" in out
    assert "passes" not in out
    assert json.loads(run(events, "--truth", truth, "--json")[1])["passes"] is False


def test_unlabelled_alarms_of_the_other_run_are_reported(run: Run, stay: list[Detections], tmp_path: Path) -> None:
    """Its alarms are of another day: it did not miss what it never saw."""
    first_events = watch(stay, site())
    second_events = watch(loiterer(120, start=START + 86_400), site())
    truth = truth_file(tmp_path, f"kind: loitering, zone: yard, at_s: {raised_at(stay):.1f}")
    events, late = written(tmp_path, lines(first_events), "a.jsonl"), written(tmp_path, lines(second_events), "b.jsonl")
    status, out, err = run(events, "--truth", truth, "--compare", late)
    assert (status, err) == (0, "")
    count = len({event.id for event in second_events})
    assert f"Of the other not judged: {count} alarms outside of the labelled time." in out


@pytest.mark.parametrize(
    ("protocol", "options", "values"),
    [
        ("kisa", [], {"passes": False, "window_s": [2.0, 10.0]}),
        ("ilids", ["--recall-bias", "60"], {"recall_bias": 60.0, "window_s": [0.0, 10.0]}),
    ],
)
def test_kisas_answers_against_kisas_truth(
    run: Run, tmp_path: Path, protocol: str, options: list[str], values: dict[str, Any]
) -> None:
    """The four cases, each a clip: hit, late, none, spurious."""
    cases = {
        "hit": ("00:01:03", True),
        "late": ("00:01:11", True),
        "none": (None, True),
        "spurious": ("00:01:00", False),
    }
    for folder in ("answers", "truth"):
        (tmp_path / folder).mkdir()
    for name, (answered_at, happens) in cases.items():
        answer = [(answered_at, "Loitering")] if answered_at else []
        written(tmp_path / "answers", xml(*answer, name=f"{name}.mp4"), f"{name}.xml")
        done = [("00:01:00", "Loitering")] if happens else []
        header = "<Senario>night</Senario>"
        written(tmp_path / "truth", xml(*done, name=f"{name}.avi", header=header), f"{name}.xml")
    status, out, _ = run(
        tmp_path / "answers", "--truth", tmp_path / "truth", "--protocol", protocol, "--json", *options
    )
    result = json.loads(out)
    assert status == 0
    assert [result["overall"][name] for name in ("hits", "missed", "false")] == [1, 2, 2]
    assert result["overall"]["camera_hours"] == pytest.approx(4 * 300 / 3600)
    assert {name: result[name] for name in values} == values


def test_events_are_written_and_evaluated_as_kisas_answers(run: Run, stay: list[Detections], tmp_path: Path) -> None:
    events = written(tmp_path, lines(watch(stay, site())), "events.jsonl")
    at = round(raised_at(stay))
    truth = written(tmp_path, xml((f"00:00:{at:02d}", "Loitering"), name="lane.mp4"))
    clock = ["--clock", "2026-01-15T02:00:00+09:00"]
    status, _, err = run(events, "--truth", truth)
    assert (status, "with --clock" in err) == (1, True)
    status, out, _ = run(
        events, "--truth", truth, *clock, "--write-kisa", tmp_path / "xml", "--kinds", "Loitering", "--json"
    )
    direct = json.loads(out)
    assert (status, direct["overall"]["hits"], direct["overall"]["false"]) == (0, 1, 0)
    status, out, _ = run(tmp_path / "xml", "--truth", truth, "--kinds", "Loitering", "--json")
    assert (status, json.loads(out)["overall"]) == (0, direct["overall"])


def test_frames_of_a_happening_that_is_found_late(run: Run, stay: list[Detections], tmp_path: Path) -> None:
    events = written(tmp_path, lines(watch(stay, site())[-1:]), "events.jsonl")
    truth = truth_file(tmp_path, "kind: loitering, zone: yard, at_s: 5, end_s: 60")
    status, out, _ = run(events, "--truth", truth, "--protocol", "frames", "--json", "--report", tmp_path / "r")
    result = json.loads(out)["frames"]
    assert (status, result["frames"]) == (0, 120)
    assert 0.5 < result["auc"] <= 1.0
    assert (tmp_path / "r" / "roc.png").exists()


@pytest.mark.parametrize(
    ("truth", "options", "message"),
    [
        ("", [], "truth.yaml:1: the file is empty; a truth file has camera, start and happenings"),
        ("HEADhappenings:\n  - {kind: juggling, at_s: 3}\n", [], "truth.yaml:4: unknown kind juggling; "),
        ("HEADhappenings: []\n", ["--protocol", "actev"], "there is no truth to be missed"),
        (
            "HEADhappenings: [{kind: fall, at_s: 3}]\n",
            ["--protocol", "actev"],
            "the time for which the cameras were watched",
        ),
        (
            "HEADhappenings: [{kind: fall, at_s: 3}]\n",
            ["--protocol", "frames"],
            "truth.yaml:1: frames are counted up to",
        ),
        (
            "HEADduration_s: 9\nhappenings: [{kind: fall, at_s: 3}]\n",
            ["--protocol", "frames"],
            "truth.yaml:4: frames need",
        ),
        ("HEADhappenings: []\n", ["--site", "none.yaml"], "none.yaml"),
        ("HEADhappenings: []\n", ["--kinds", "loitring"], "--kinds: unknown kind loitring; did you mean `loitering`?"),
    ],
)
def test_bad_input_is_named(run: Run, tmp_path: Path, truth: str, options: list[str], message: str) -> None:
    events = written(tmp_path, "", "events.jsonl")
    head = "camera: lane\nstart: 2026-01-15T02:00:00+09:00\n"
    file = written(tmp_path, truth.replace("HEAD", head).replace("kind: fall", "kind: loitering"), "truth.yaml")
    status, out, err = run(events, "--truth", file, *options)
    assert (status, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_a_site_file_with_an_unknown_behaviour_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    text = json.dumps(SITE | {"behaviours": {"loiterng": {}}}, ensure_ascii=False)
    file = written(tmp_path, text, "site.yaml")
    archive = archived(tmp_path / "kept", [make_record(START)])
    status, _, err = run(archive, "--truth", truth_file(tmp_path), "--site", file)
    assert status == 1
    assert f"{file}:1: unknown behaviour loiterng; did you mean `loitering`?" in err


def test_archived_detections_need_a_site_and_its_cameras(
    run: Run, stay: list[Detections], site_file: Path, tmp_path: Path
) -> None:
    archive = archived(tmp_path / "kept", [make_record(START, camera="elsewhere")])
    truth = truth_file(tmp_path)
    assert "with --site" in run(archive, "--truth", truth)[2]
    assert "detections of camera 'elsewhere'" in run(archive, "--truth", truth, "--site", site_file)[2]


def test_a_package_whose_behaviour_cannot_be_imported_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that was built for another Python: its import raises."""
    (tmp_path / "broken_behaviour.py").write_text("raise RuntimeError('built for another machine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("juggling", "broken_behaviour:Juggling", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    installed.cache_clear()
    try:
        status, _, err = run(written(tmp_path, "", "e.jsonl"), "--truth", truth_file(tmp_path))
    finally:
        installed.cache_clear()
    assert status == 1
    assert "behaviour 'juggling' (broken_behaviour:Juggling) cannot be loaded: built for another machine" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give EVENTS and --truth FILE, or --self-test"),
        (["events.jsonl"], "give EVENTS and --truth FILE"),
        (["e", "--truth", "t", "--recall-bias", "0"], "--recall-bias must be above 0"),
        (["e", "--truth", "t", "--hours", "nan"], "--hours must be above 0"),
        (["e", "--truth", "t", "--protocol", "coco"], "invalid choice: 'coco'"),
    ],
)
def test_a_wrong_call_is_reported_with_its_reason(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *argv])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_korean_tables_have_korean_headings_and_kinds_and_are_aligned(tmp_path: Path, run: Run) -> None:
    (tmp_path / "none.jsonl").touch()
    arguments = (str(tmp_path / "none.jsonl"), "--truth", str(demo.TRUTH), "--site", str(demo.SITE), "--lang", "ko")
    status, out, err = run(*arguments, "--by", "kind", "--by", "condition", "--by", "camera")
    assert (status, err) == (0, "")
    tables = [part.splitlines() for part in out.split("\n\n") if part.startswith("|")]
    assert [cell.strip() for cell in tables[0][0].split("|")[2:7]] == ["정답", "경보", "적중", "오경보", "미탐"]
    firsts = [[row.split("|")[1].strip() for row in table[2:]] for table in tables]
    assert firsts == [["전체"], ["침입", "경계선 통과", "배회"], ["야간"], ["lane-01"], ["lane-01"] * 9]
    for table in tables:
        assert len({tuple(width(cell) for cell in row.split("|")) for row in (table[0], *table[2:])}) == 1


@pytest.mark.parametrize("protocol", ["kisa", "ilids", "actev", "frames"])
def test_a_korean_report_has_no_english_sentences(
    run: Run, stay: list[Detections], site_file: Path, tmp_path: Path, protocol: str
) -> None:
    at = raised_at(stay)
    others = [watch(loiterer(120, start=START + day * 86_400), site()) for day in (1, 2)]
    events = written(tmp_path, lines([event for other in others for event in other]), "events.jsonl")
    instants = (f"at_s: {at + more:.1f}, end_s: {at + more + 1:.1f}" for more in range(60))
    truth = truth_file(tmp_path, *(f"kind: loitering, zone: yard, {instant}" for instant in instants))
    folder = tmp_path / "report"
    status, _, err = run(
        *(archived(tmp_path / "kept", stay) if protocol == "frames" else events, "--truth", truth),
        *("--site", site_file, "--protocol", protocol, "--by", "kind", "--compare", events, "--report", folder),
        *("--lang", "ko"),
    )
    assert (status, err) == (0, "")
    names = r"`[^`]*`|!\[.*|ActEV|KISA|i-LIDS|McNemar|AUC|ROC|F1|UTC|lane|yard|\bp\b"
    text = re.sub(names, "", (folder / "report.md").read_text(encoding="utf-8"))
    assert re.findall(r"[a-z]{2,}", text) == []
