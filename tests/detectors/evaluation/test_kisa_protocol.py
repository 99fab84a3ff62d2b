"""KISA's XML, valid and malicious, and the evaluator's self-test."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from detectors.evaluation import kisa_protocol
from detectors.evaluation.ground_truth import EvaluationError
from detectors.evaluation.kisa_protocol import KisaAlarm, KisaClip
from tests.detectors.evaluation.examples import alarm, labels, written, xml


def test_the_four_cases_give_one_hit_two_misses_and_two_false_alarms() -> None:
    matching = kisa_protocol.self_test()
    assert (len(matching.pairs), len(matching.missed), len(matching.false)) == (1, 2, 2)


@pytest.mark.parametrize(
    ("text", "alarms", "scenario"),
    [
        (xml(("00:01:23", "Loitering")), [("Loitering", 83.0)], ""),  # one alarm
        (  # many
            xml(("00:00:05", "Intrusion"), ("01:00:00", "FireDetection"), ("00:00:07.5", "falldown")),
            [("Intrusion", 5.0), ("FireDetection", 3600.0), ("Falldown", 7.5)],
            "",
        ),
        (xml(), [], ""),  # none
        (xml(("00:00:01", "Violence"), header="<Senario>night</Senario>"), [("Violence", 1.0)], "night"),  # misspelt
        (xml(header="<Scenario>day</Scenario><Weather>rain</Weather>"), [], "day"),  # and an unknown element
    ],
)
def test_valid_files(tmp_path: Path, text: str, alarms: list[tuple[str, float]], scenario: str) -> None:
    (clip,) = kisa_protocol.read(written(tmp_path, text))
    assert [(alarm.kind, alarm.start_s) for alarm in clip.alarms] == alarms
    assert (clip.camera, clip.duration_s, clip.scenario) == ("C00_001_0001", 300.0, scenario)


def test_korean_windows_writes_its_own_encoding(tmp_path: Path) -> None:
    text = xml(("00:00:09", "Loitering"), name="골목_1.mp4").replace("utf-8", "euc-kr")
    file = tmp_path / "clip.xml"
    file.write_bytes(text.encode("cp949"))
    assert kisa_protocol.read(file)[0].camera == "골목_1"


BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    "<KisaLibraryIndex>&b;</KisaLibraryIndex>"
)
THIEF = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<KisaLibraryIndex>&e;</KisaLibraryIndex>'
REMOTE = '<!DOCTYPE KisaLibraryIndex SYSTEM "http://127.0.0.1:9/evil.dtd">\n<KisaLibraryIndex/>'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "broken"),  # empty
        (xml()[:150], 5, "broken"),  # cut off
        (xml(("00:00:01", "Loitering")).replace("</Alarms>", "</Alarm>"), 6, "mismatched tag"),
        ("<html>\n</html>", 1, "this is a html, not a KisaLibraryIndex"),
        ("<KisaLibraryIndex>\n</KisaLibraryIndex>", 1, "no Library/Clip"),
        (xml(name=""), 5, "no Header/Filename"),
        (xml(("00:00:01", "Loitring")), 6, "unknown class Loitring; did you mean `Loitering`"),
        (xml(("83", "Loitering")), 6, "StartTime 83 is no time; write hh:mm:ss"),
        (xml(("00:61:00", "Loitering")), 6, "StartTime 00:61:00 is no time"),
        (xml(("-0:00:01", "Loitering")), 6, "is no time"),
        (xml(("00:00:01", "Loitering")).replace("StartTime>", "Start>"), 6, "the alarm has no StartTime"),
        (BOMB, 2, "document type"),  # entities that fill the memory
        (THIEF, 2, "document type"),  # that read a file
        (REMOTE, 1, "document type"),  # that call a host
        ("<a>" * 40 + "</a>" * 40, 1, "nested more than 32 deep"),
    ],
)
def test_invalid_xml_is_reported_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(EvaluationError) as caught:
        kisa_protocol.read(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)


def test_a_clip_that_is_in_two_files_is_reported(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        written(tmp_path, xml(("00:00:01", "Loitering")), name)
    with pytest.raises(EvaluationError, match=r"b\.xml:1: clip C00_001_0001\.mp4 is in .*a\.xml too"):
        kisa_protocol.read(tmp_path)


def test_written_xml_is_read_by_another_reader_and_by_ours(tmp_path: Path) -> None:
    alarms = [alarm(90, kisa="Loitering", end=None), alarm(3723, kisa="Falldown"), alarm(5, "line_crossing")]
    clips = kisa_protocol.clips([*alarms, alarm(5000, kisa="Violence")], [labels(seconds=4000.0)])
    (file,) = kisa_protocol.write(tmp_path / "answers", clips)
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert root.tag == "KisaLibraryIndex"
    assert root.findtext("Library/Clip/Header/Filename") == "lane.mp4"
    assert root.findtext("Library/Clip/Header/Duration") == "01:06:40"
    assert root.findtext("Library/Clip/Header/AlarmEvents") == "2"
    written_alarms = [
        (element.findtext("StartTime"), element.findtext("AlarmDescription")) for element in root.iter("Alarm")
    ]
    assert written_alarms == [("00:01:30", "Loitering"), ("01:02:03", "Falldown")]
    (back,) = kisa_protocol.read(file)
    assert [(alarm.kind, alarm.start_s) for alarm in back.alarms] == [("Loitering", 90.0), ("Falldown", 3723.0)]


def test_a_name_that_is_markup_stays_a_name(tmp_path: Path) -> None:
    clip = KisaClip("a<b>&c.mp4", 60.0, (KisaAlarm("Loitering", 1.0),))
    (file,) = kisa_protocol.write(tmp_path, [clip])
    assert kisa_protocol.read(file)[0].name == "a<b>&c.mp4"
