"""An evaluation's plots, as PNG files."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.evaluation.actev_protocol import RATES, MissRateCurve
from detectors.evaluation.frame_auc import Roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, OTHER, FAINT = "#222222", "#1f5fa8", "#c8641e", "#d9d9d9"
_DPI = 130


def require() -> None:
    """Checks that matplotlib is installed.

    Raises:
        ValueError: it is not; the message says how to install it.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            "a report's pictures need matplotlib: install it with `pip install 'lanewatch[evaluation]'`, in a clone "
            "with `.venv/bin/pip install matplotlib`; without --report the tables are printed"
        )


def shares(file: Path, rows: Mapping[str, Mapping[str, Any]], title: str) -> None:
    """Precision and recall with their intervals, one line for each row of a table."""

    def draw(axes: Axes) -> None:
        names = list(rows)
        style: dict[str, Any] = {"fmt": "o", "ms": 5, "lw": 1.6, "capsize": 3}
        measures = ("recall", ACCENT, "truths", -0.12), ("precision", OTHER, "alarms", 0.12)
        for measure, colour, count, shift in measures:
            defined = [(index, rows[name]) for index, name in enumerate(names) if rows[name][count]]
            values = [row[measure] for _, row in defined]
            low = [max(0.0, row[measure] - row[f"{measure}_interval"][0]) for _, row in defined]
            high = [max(0.0, row[f"{measure}_interval"][1] - row[measure]) for _, row in defined]
            heights = [index + shift for index, _ in defined]
            axes.errorbar(values, heights, xerr=(low, high), color=colour, label=measure, **style)
        axes.set_yticks(range(len(names)), [f"{_plain(name)} (n {rows[name]['truths']})" for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)
        axes.grid(axis="x", color=FAINT, lw=0.7)
        axes.set_xlabel("share, with its interval of 95 %")
        axes.set_title(title, loc="left")
        axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)

    _save(file, draw, height=1.5 + 0.5 * len(rows))


def miss_rate(file: Path, curves: Mapping[str, MissRateCurve]) -> None:
    """Miss rate against false alarms a camera-day, on a logarithmic axis; one line for each run."""
    from matplotlib.ticker import FuncFormatter

    def draw(axes: Axes) -> None:
        positive = [rate for curve in curves.values() for rate in curve.rates if rate > 0]
        left, right = min([*positive, RATES[0]]) / 2, max([*positive, RATES[-1]]) * 2
        for (name, curve), colour in zip(curves.items(), (ACCENT, OTHER), strict=False):
            # A rate of 0 lies left of every logarithmic axis, so it is drawn at the edge.
            begin = curve.miss_at(0.0)
            rates = [left, *(max(rate, left) for rate in curve.rates), right]
            misses = [begin, *(min(miss, begin) for miss in curve.misses), min([begin, *curve.misses])]
            axes.step(rates, misses, where="post", color=colour, lw=1.8, label=name)
        axes.axvline(0.5, color=INK, lw=0.8, ls=":")
        axes.text(0.5, 1.03, " budget: 0.5", fontsize=8, color=INK, va="bottom", ha="center")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlim(left, right)
        axes.set_ylim(0, 1.02)
        axes.grid(color=FAINT, lw=0.7)
        axes.set_xlabel("false alarms a camera-day")
        axes.set_ylabel("miss rate")
        if len(curves) > 1:
            axes.legend(frameon=False)

    _save(file, draw)


def roc(file: Path, curve: Roc) -> None:
    """The ROC curve over frames."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1)
        axes.plot(curve.false, curve.true, color=ACCENT, lw=1.8)
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.02)
        axes.set_aspect("equal")
        axes.grid(color=FAINT, lw=0.7)
        axes.set_xlabel("share of the quiet frames that are taken for events")
        axes.set_ylabel("share of the events' frames that are found")
        axes.set_title(f"AUC {curve.auc:.3f}", loc="left")

    _save(file, draw, width=5.0, height=5.0)


def _plain(name: str) -> str:
    """A name in ASCII that matplotlib does not read as a formula."""
    return (name if name.isascii() else ascii(name)[1:-1]).replace("$", "\\$")


def _save(file: Path, draw: Any, *, width: float = 7.0, height: float = 4.2) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: it holds all figures, and chooses a window system for the whole process.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    figure.savefig(file, dpi=_DPI)
