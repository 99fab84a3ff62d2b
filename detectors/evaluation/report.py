"""An evaluation as Markdown: on the terminal, or with its plots in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from detectors.evaluation import kisa_protocol, report_texts
from detectors.evaluation.report_texts import Words
from lanewatch.text_table import width

LISTED = 50
"""The most missed truths and false alarms that are listed; the JSON has all."""

_COUNTS = ("truths", "alarms", "hits", "false", "missed")
_HEAD = ("", *_COUNTS, "precision", "recall", "F1", "camera-hours", "false a camera-day")


def markdown(values: Mapping[str, Any], pictures: Mapping[str, str], word: Words = str) -> str:
    """The report of the values of ``summary``, with ``curve``, ``frames`` and ``compare`` if they apply.

    ``pictures`` are file names by title; ``word`` is of ``words``.
    """
    before_s, after_s = values["window_s"]
    truth = ", ".join(f"`{source}`" for source in values["truth"])
    parts = [
        f"# {word('Evaluation')}: {word(report_texts.PROTOCOLS[values['protocol']])}",
        word(report_texts.SCOPE).format(events=values["events"], truth=truth, before=before_s, after=after_s),
        _verdict(values, word),
        _table([(word("all"), values["overall"])], word),
        *(
            f"## {word('By')} {word(name)}\n\n{_table(_named(name, rows, word), word)}"
            for name, rows in values["by"].items()
        ),
        _excluded(values["aside"], "Not judged", word),
        _curve(values.get("curve"), word),
        _frames(values.get("frames"), word),
        _comparison(values.get("compare"), word),
        *(f"## {word(title)}\n\n![{word(title)}]({file})" for title, file in pictures.items()),
        _list("Missed", values["missed"], word),
        _list("False alarms", values["false"], word),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(values: Mapping[str, Any], word: Words) -> str:
    total = values["overall"]
    if not total["truths"] and not total["alarms"]:
        return word(report_texts.NOTHING)
    if values["protocol"] == "kisa":
        verdict = report_texts.PASSES if values["passes"] else report_texts.DOES_NOT_PASS
        return word(verdict).format(f1=total["f1"], required=kisa_protocol.PASSES)
    if values["protocol"] == "ilids":
        return word(report_texts.RECALL_BIAS).format(f1=values["f1_biased"], bias=values["recall_bias"])
    return ""


def _table(rows: Iterable[tuple[str, Mapping[str, Any]]], word: Words) -> str:
    return _lines(_HEAD, [(name, *_cells(row)) for name, row in rows], word, "---:")


def _named(dimension: str, rows: Mapping[str, Mapping[str, Any]], word: Words) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of a dimension, with the names of kinds and lights in the report's language."""
    return [(word(name) if dimension in ("kind", "condition") else name, row) for name, row in rows.items()]


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]], word: Words, rule: str = "---") -> str:
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


def _excluded(counts: Mapping[str, int], title: str, word: Words) -> str:
    parts = [word(report_texts.EXCLUDED).format(count=count, reason=word(reason)) for reason, count in counts.items()]
    return f"{word(title)}: {', '.join(parts)}." if counts else ""


def _curve(curve: Mapping[str, Any] | None, word: Words) -> str:
    if curve is None:
        return ""
    rows = [(rate, f"{miss:.3f}") for rate, miss in curve["miss_at"].items()]
    head = ("at most so many false alarms a camera-day", "truths that are missed")
    area = word(report_texts.AREA).format(limit=curve["limit"], area=curve["area"])
    if curve["one_alarm"] > min(map(float, curve["miss_at"])):
        area += word(report_texts.ONE_ALARM).format(rate=curve["one_alarm"])
    return f"## {word('Miss rate')}\n\n{_lines(head, rows, word, '---:')}\n\n{area}"


def _frames(frames: Mapping[str, Any] | None, word: Words) -> str:
    if frames is None:
        return ""
    mean = "" if frames["auc_mean"] is None else word(report_texts.MEAN_AUC).format(mean=frames["auc_mean"])
    return word(report_texts.FRAMES_AUC).format(
        auc=frames["auc"], frames=frames["frames"], step=frames["step_s"], mean=mean
    )


def _comparison(compared: Mapping[str, Any] | None, word: Words) -> str:
    if compared is None:
        return ""
    interval = compared["f1_interval"]
    within = (
        word(report_texts.NO_INTERVAL)
        if interval is None
        else word(report_texts.INTERVAL).format(low=interval[0], high=interval[1])
    )
    parts = [
        f"## {word('Compared with')} `{compared['events']}`",
        _table([(word("this"), compared["first"]), (word("other"), compared["second"])], word),
        _excluded(compared["aside"], "Of the other not judged", word),
        word(report_texts.DIFFERENCE).format(
            difference=compared["f1_difference"],
            interval=within,
            both=compared["both"],
            neither=compared["neither"],
            this=len(compared["only_first"]),
            other=len(compared["only_second"]),
            p=compared["p"],
        ),
        _list("Found by this alone", compared["only_first"], word, 3),
        _list("Found by the other alone", compared["only_second"], word, 3),
    ]
    return "\n\n".join(part for part in parts if part)


def _list(title: str, items: Sequence[Mapping[str, Any]], word: Words, level: int = 2) -> str:
    if not items:
        return ""
    rows = []
    for item in items[:LISTED]:
        what = item.get("what") or item.get("id") or ""
        rows.append((item["camera"], word(item["kind"]), item["zone"] or "", _time(item["at"]), what))
    more = "\n\n" + word(report_texts.MORE).format(count=len(items) - LISTED) if len(items) > LISTED else ""
    head = ("camera", "kind", "where", "when (UTC)", "")
    return f"{'#' * level} {word(title)}\n\n{_lines(head, rows, word)}" + more


def _time(at: float) -> str:
    """A time as text; a time within the first day is relative to a clip."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M:%S.%f}"[:-5] if at < 86_400 else f"{moment:%Y-%m-%d %H:%M:%S}"
