"""An evaluation as Markdown: on the terminal, or with its plots in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from detectors import event_table
from detectors.evaluation import kisa_protocol
from lanewatch.config.site import Site
from lanewatch.text_table import width

LISTED = 50
"""The most missed truths and false alarms that are listed; the JSON has all."""

_NAMES = {
    "kisa": "KISA",
    "ilids": "i-LIDS",
    "actev": "ActEV (miss rate against false alarms a camera-day)",
    "frames": "area under the ROC curve over frames",
}
_COUNTS = ("truths", "alarms", "hits", "false", "missed")
_HEAD = ("", *_COUNTS, "precision", "recall", "F1", "camera-hours", "false a camera-day")
_KOREAN: Mapping[str, str] = {
    **{"truths": "정답", "alarms": "경보", "hits": "적중", "false": "오경보", "missed": "미탐", "all": "전체"},
    **{
        "precision": "정밀도",
        "recall": "재현율",
        "camera-hours": "카메라·시간",
        "false a camera-day": "카메라·일당 오경보",
    },
    **{"kind": "종류", "camera": "카메라", "condition": "조명", "zone": "구역", "pattern": "유형"},
    **{"day": "주간", "dusk": "박명", "night": "야간", "infrared": "적외선", "unknown": "미상"},
    **{"where": "위치", "when (UTC)": "시각 (UTC)", "this": "이 결과", "other": "비교 대상"},
    **{"Evaluation": "평가", "By": "구분:", "Missed": "미탐", "False alarms": "오경보", "Miss rate": "미탐률"},
    **{"Found by this alone": "이 결과에만 있음", "Found by the other alone": "비교 대상에만 있음"},
    "at most so many false alarms a camera-day": "카메라·일당 오경보 상한",
    "truths that are missed": "놓친 정답의 비율",
    "Compared with": "비교:",
}
_Words = Callable[[str], str]
"""The words of tables and headings in the report's language, and the names of kinds."""


def words(language: str, site: Site | None = None) -> _Words:
    """The words of a report's tables and headings: ``en``, or ``ko`` with the names of the site's kinds."""
    if language == "en":
        return str
    return lambda word: _KOREAN.get(word) or event_table.kind_name(word, site, language)


def markdown(values: Mapping[str, Any], pictures: Mapping[str, str], word: _Words = str) -> str:
    """The report of the values of ``summary``, with ``curve``, ``frames`` and ``compare`` if they apply.

    ``pictures`` are file names by title; ``word`` is of ``words``.
    """
    before_s, after_s = values["window_s"]
    truth = ", ".join(f"`{source}`" for source in values["truth"])
    parts = [
        f"# {word('Evaluation')}: {_NAMES[values['protocol']]}",
        f"Events `{values['events']}`, truth {truth}. An alarm counts from {before_s:g} s before to {after_s:g} s "
        "after the truth; intervals are of 95 %.",
        _verdict(values),
        _table([(word("all"), values["overall"])], word),
        *(
            f"## {word('By')} {word(name)}\n\n{_table(_named(name, rows, word), word)}"
            for name, rows in values["by"].items()
        ),
        _excluded(values["aside"], "Not judged"),
        _curve(values.get("curve"), word),
        _frames(values.get("frames")),
        _comparison(values.get("compare"), word),
        *(f"## {title}\n\n![{title}]({file})" for title, file in pictures.items()),
        _list("Missed", values["missed"], word),
        _list("False alarms", values["false"], word),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(values: Mapping[str, Any]) -> str:
    total = values["overall"]
    if not total["truths"] and not total["alarms"]:
        return "**Nothing was judged: there is neither a truth nor an alarm in the labelled time.**"
    if values["protocol"] == "kisa":
        verdict = "passes" if values["passes"] else "does not pass"
        return f"**F1 {total['f1']:.3f}: {verdict}** ({kisa_protocol.PASSES:.2f} is required)."
    if values["protocol"] == "ilids":
        return f"**F1 {values['f1_biased']:.3f} at recall bias {values['recall_bias']:g}.**"
    return ""


def _table(rows: Iterable[tuple[str, Mapping[str, Any]]], word: _Words) -> str:
    return _lines(_HEAD, [(name, *_cells(row)) for name, row in rows], word, "---:")


def _named(dimension: str, rows: Mapping[str, Mapping[str, Any]], word: _Words) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of a dimension, with the names of kinds and lights in the report's language."""
    return [(word(name) if dimension in ("kind", "condition") else name, row) for name, row in rows.items()]


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]], word: _Words, rule: str = "---") -> str:
    """A table with its head. Cells of a translated table are padded, so that it is aligned on a terminal, too."""
    table = [[word(name) if name else "" for name in head], *rows]
    if word is not str:
        widths = [max(width(_safe(row[column])) for row in table) for column in range(len(head))]
        table = [
            [cell + " " * (column - width(_safe(cell))) for cell, column in zip(row, widths, strict=True)]
            for row in table
        ]
    first, *others = (_line(row) for row in table)
    return "\n".join([first, "|---|" + f"{rule}|" * (len(head) - 1), *others])


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    hours, rate = row["camera_hours"], row["false_per_camera_day"]
    return (
        *(str(row[name]) for name in _COUNTS),
        _with_interval(row["precision"], row["precision_interval"]) if row["alarms"] else "-",
        _with_interval(row["recall"], row["recall_interval"]) if row["truths"] else "-",
        f"{row['f1']:.3f}",
        "?" if hours is None else f"{hours:.2f}",
        "?" if rate is None else _with_interval(rate, row["false_interval"]),
    )


def _with_interval(value: float, interval: Sequence[float]) -> str:
    low, high = interval
    digits = 3 if max(value, low) <= 1 and high <= 10 else 1
    return f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _line(cells: Iterable[str]) -> str:
    """A row of a table, without the characters that have a meaning in tables or in a browser."""
    return f"| {' | '.join(map(_safe, cells))} |"


def _safe(cell: str) -> str:
    padding = " " * (len(cell) - len(cell.rstrip()))
    return " ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") + padding


def _excluded(counts: Mapping[str, int], title: str) -> str:
    return f"{title}: {', '.join(f'{count} {reason}' for reason, count in counts.items())}." if counts else ""


def _curve(curve: Mapping[str, Any] | None, word: _Words) -> str:
    if curve is None:
        return ""
    rows = [(rate, f"{miss:.3f}") for rate, miss in curve["miss_at"].items()]
    head = ("at most so many false alarms a camera-day", "truths that are missed")
    limit = f"{curve['limit']:g}"
    area = f"Area under the curve up to {limit} a camera-day, divided by {limit}: {curve['area']:.3f} (0 is perfect)."
    if curve["one_alarm"] > min(map(float, curve["miss_at"])):
        area += f" In the time watched one false alarm makes {curve['one_alarm']:.3g}: smaller rates stand for none."
    return f"## {word('Miss rate')}\n\n{_lines(head, rows, word, '---:')}\n\n{area}"


def _frames(frames: Mapping[str, Any] | None) -> str:
    if frames is None:
        return ""
    mean = "" if frames["auc_mean"] is None else f"; mean over the files {frames['auc_mean']:.3f}"
    return f"**AUC {frames['auc']:.3f}** over {frames['frames']} frames, one each {frames['step_s']:g} s{mean}."


def _comparison(compared: Mapping[str, Any] | None, word: _Words) -> str:
    if compared is None:
        return ""
    interval = compared["f1_interval"]
    within = "no interval: too few camera-hours" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"
    parts = [
        f"## {word('Compared with')} `{compared['events']}`",
        _table([(word("this"), compared["first"]), (word("other"), compared["second"])], word),
        _excluded(compared["aside"], "Of the other not judged"),
        f"The other's F1 less this one's: {compared['f1_difference']:+.3f} ({within}). Found by both "
        f"{compared['both']}, by neither {compared['neither']}, by this alone {len(compared['only_first'])}, by "
        f"the other alone {len(compared['only_second'])} (McNemar's exact p {compared['p']:.3f}).",
        _list("Found by this alone", compared["only_first"], word, 3),
        _list("Found by the other alone", compared["only_second"], word, 3),
    ]
    return "\n\n".join(part for part in parts if part)


def _list(title: str, items: Sequence[Mapping[str, Any]], word: _Words, level: int = 2) -> str:
    if not items:
        return ""
    rows = []
    for item in items[:LISTED]:
        what = item.get("what") or item.get("id") or ""
        rows.append((item["camera"], word(item["kind"]), item["zone"] or "", _time(item["at"]), what))
    more = f"\n\nand {len(items) - LISTED} more" if len(items) > LISTED else ""
    head = ("camera", "kind", "where", "when (UTC)", "")
    return f"{'#' * level} {word(title)}\n\n{_lines(head, rows, word)}" + more


def _time(at: float) -> str:
    """A time as text; a time within the first day is relative to a clip."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M:%S.%f}"[:-5] if at < 86_400 else f"{moment:%Y-%m-%d %H:%M:%S}"
