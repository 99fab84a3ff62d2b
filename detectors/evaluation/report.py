"""An evaluation as Markdown: on the terminal, or with its plots in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from detectors.evaluation import kisa_protocol

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


def markdown(values: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The report of the values of ``summary``, with ``curve``, ``frames`` and ``compare`` if they apply.

    ``pictures`` are file names by title.
    """
    before_s, after_s = values["window_s"]
    truth = ", ".join(f"`{source}`" for source in values["truth"])
    parts = [
        f"# Evaluation: {_NAMES[values['protocol']]}",
        f"Events `{values['events']}`, truth {truth}. An alarm counts from {before_s:g} s before to {after_s:g} s "
        "after the truth; intervals are of 95 %.",
        _verdict(values),
        _table([("all", values["overall"])]),
        *(f"## By {name}\n\n{_table(rows.items())}" for name, rows in values["by"].items()),
        _excluded(values["aside"], "Not judged"),
        _curve(values.get("curve")),
        _frames(values.get("frames")),
        _comparison(values.get("compare")),
        *(f"## {title}\n\n![{title}]({file})" for title, file in pictures.items()),
        _list("Missed", values["missed"]),
        _list("False alarms", values["false"]),
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


def _table(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    lines = [_line(_HEAD), "|---|" + "---:|" * (len(_HEAD) - 1)]
    return "\n".join(lines + [_line((name, *_cells(row))) for name, row in rows])


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
    safe = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(safe)} |"


def _excluded(counts: Mapping[str, int], title: str) -> str:
    return f"{title}: {', '.join(f'{count} {reason}' for reason, count in counts.items())}." if counts else ""


def _curve(curve: Mapping[str, Any] | None) -> str:
    if curve is None:
        return ""
    rows = [_line((rate, f"{miss:.3f}")) for rate, miss in curve["miss_at"].items()]
    head = "## Miss rate\n\n| at most so many false alarms a camera-day | truths that are missed |\n|---:|---:|"
    limit = f"{curve['limit']:g}"
    area = f"Area under the curve up to {limit} a camera-day, divided by {limit}: {curve['area']:.3f} (0 is perfect)."
    if curve["one_alarm"] > min(map(float, curve["miss_at"])):
        area += f" In the time watched one false alarm makes {curve['one_alarm']:.3g}: smaller rates stand for none."
    return "\n".join([head, *rows]) + f"\n\n{area}"


def _frames(frames: Mapping[str, Any] | None) -> str:
    if frames is None:
        return ""
    mean = "" if frames["auc_mean"] is None else f"; mean over the files {frames['auc_mean']:.3f}"
    return f"**AUC {frames['auc']:.3f}** over {frames['frames']} frames, one each {frames['step_s']:g} s{mean}."


def _comparison(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return ""
    interval = compared["f1_interval"]
    within = "no interval: too few camera-hours" if interval is None else f"{interval[0]:+.3f} to {interval[1]:+.3f}"
    parts = [
        f"## Compared with `{compared['events']}`",
        _table([("this", compared["first"]), ("other", compared["second"])]),
        _excluded(compared["aside"], "Of the other not judged"),
        f"The other's F1 less this one's: {compared['f1_difference']:+.3f} ({within}). Found by both "
        f"{compared['both']}, by neither {compared['neither']}, by this alone {len(compared['only_first'])}, by "
        f"the other alone {len(compared['only_second'])} (McNemar's exact p {compared['p']:.3f}).",
        _list("Found by this alone", compared["only_first"], 3),
        _list("Found by the other alone", compared["only_second"], 3),
    ]
    return "\n\n".join(part for part in parts if part)


def _list(title: str, items: Sequence[Mapping[str, Any]], level: int = 2) -> str:
    if not items:
        return ""
    lines = []
    for item in items[:LISTED]:
        what = item.get("what") or item.get("id") or ""
        lines.append(_line((item["camera"], item["kind"], item["zone"] or "", _time(item["at"]), what)))
    more = f"\n\nand {len(items) - LISTED} more" if len(items) > LISTED else ""
    head = "| camera | kind | where | when (UTC) | |\n|---|---|---|---|---|"
    return f"{'#' * level} {title}\n\n{head}\n" + "\n".join(lines) + more


def _time(at: float) -> str:
    """A time as text; a time within the first day is relative to a clip."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%H:%M:%S.%f}"[:-5] if at < 86_400 else f"{moment:%Y-%m-%d %H:%M:%S}"
