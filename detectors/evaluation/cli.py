"""The command of this package: ``lanewatch evaluate``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.evaluation.results import DIMENSIONS
from lanewatch import progress, service
from lanewatch.paths import existing
from lanewatch.service import PrintedErrors

if TYPE_CHECKING:
    from detectors.evaluation.dataset import Dataset
    from detectors.evaluation.results import Results
    from lanewatch.config.site import Site

PROTOCOLS = ("kisa", "ilids", "actev", "frames")


def evaluate(argv: Sequence[str]) -> int:
    """``lanewatch evaluate EVENTS --truth FILE...``: compares events with ground truth."""
    parser = argparse.ArgumentParser(
        prog="lanewatch evaluate",
        description="Compares events with ground truth by a published protocol. It also gives false alarms a "
        "camera-day if the observation time is known. See docs/evaluation.md.",
    )
    parser.add_argument(
        "events",
        nargs="?",
        type=existing,
        metavar="EVENTS",
        help="lines of JSON as `rescore --json` prints them, archived detections (with --site), or KISA's XML",
    )
    parser.add_argument("--truth", nargs="+", type=existing, metavar="FILE", help="truth files (YAML), or KISA's XML")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="kisa", help="default: kisa")
    parser.add_argument("--by", action="append", choices=DIMENSIONS, help="split the figures; may be repeated")
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="only these")
    parser.add_argument(
        "--severity",
        type=int,
        choices=(1, 2, 3),
        default=1,
        help="an event is an alarm from this severity on: 1 watch (default), 2 alert, 3 dispatch; above 1 only for "
        "archived detections",
    )
    parser.add_argument("--site", type=existing, help="the site file: scores archived detections, gives the light")
    parser.add_argument("--clock", help="capture time at which KISA's clips begin, such as 2026-01-15T02:00:00+09:00")
    parser.add_argument("--hours", type=float, help="camera-hours, if neither detections nor labels have them")
    parser.add_argument("--recall-bias", type=float, default=1.0, metavar="A", help="of i-LIDS' F1 (default: 1)")
    parser.add_argument("--compare", type=existing, metavar="EVENTS", help="another run, evaluated by the same truth")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write report.md and its plots here")
    parser.add_argument("--write-kisa", type=Path, metavar="FOLDER", help="write the events as KISA's XML")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    parser.add_argument("--self-test", action="store_true", help="the evaluator's own test: hit, late, none, spurious")
    service.add_language(parser)
    progress.add_option(parser)
    options = parser.parse_args(argv)
    if options.self_test:
        from detectors.evaluation import kisa_protocol

        matching = kisa_protocol.self_test()
        counts = len(matching.pairs), len(matching.missed), len(matching.false)
        print("hit, late, none, spurious: TP {}, FN {}, FP {}".format(*counts))
        return 0 if counts == (1, 2, 2) else 1
    if options.events is None or not options.truth:
        parser.error("give EVENTS and --truth FILE, or --self-test")
    for name, value in (("--hours", options.hours), ("--recall-bias", options.recall_bias)):
        if value is not None and not 0 < value < float("inf"):
            parser.error(f"{name} must be above 0")

    from detectors.behaviours.base import BehaviourError
    from detectors.evaluation import report, report_texts
    from detectors.evaluation.ground_truth import EvaluationError
    from detectors.site import validation
    from detectors.thresholds import ThresholdError
    from lanewatch.config.problems import SiteError

    with PrintedErrors(EvaluationError, SiteError, BehaviourError, ThresholdError):
        site = validation.load(options.site, pictures=False) if options.site else None
        values, word = _evaluated(options, site), report_texts.words(options.language, site)
        print(
            json.dumps(values, ensure_ascii=False) if options.json else report.markdown(values, {}, word).rstrip("\n")
        )
        return 0
    return 1


def _evaluated(options: argparse.Namespace, site: Site | None) -> dict[str, Any]:
    """All values of ``--json``. Writes the report and KISA's XML if they are requested."""
    import msgspec

    from detectors.evaluation import comparison, dataset, kisa_protocol, plots, report, report_texts, summary

    if options.report is not None:
        plots.require()

    def load(events: Path) -> Dataset:
        return dataset.load(
            events,
            options.truth,
            site=site,
            clock=options.clock,
            hours=options.hours,
            severity=options.severity,
            quiet=options.quiet,
        )

    first = load(options.events)
    results = _results(options, first)
    values = summary.summary(first, results, options.protocol, options.by or ["kind"], options.recall_bias)
    runs = {"this": results}
    if options.compare is not None:
        second = load(options.compare)
        if not second.seconds:
            second = msgspec.structs.replace(second, seconds=first.seconds)
        runs["other"] = _results(options, second)
        values["compare"] = comparison.compare(results, runs["other"]) | {
            "events": second.source,
            "first": values["overall"],
            "second": summary.row(runs["other"].tally),
            "aside": summary.excluded(second, runs["other"]),
        }
    if options.write_kisa is not None:
        kisa_protocol.write(options.write_kisa, kisa_protocol.clips(first.alarms, first.labels))
    pictures = _curves(options, values, first, runs)
    if options.report is not None:
        (options.report / "report.md").write_text(
            report.markdown(values, pictures, report_texts.words(options.language, site)), encoding="utf-8"
        )
    return values


def _results(options: argparse.Namespace, dataset: Dataset) -> Results:
    from detectors.evaluation import actev_protocol, ilids_protocol, results
    from lanewatch.config.problems import suggestion

    rules = {
        "kisa": results.window_rule(),
        "frames": results.window_rule(),
        "ilids": results.window_rule(*ilids_protocol.WINDOW),
        "actev": actev_protocol.aligned,
    }
    kinds = frozenset(options.kinds) if options.kinds else None
    for kind in sorted((kinds or frozenset()) - dataset.kinds):
        raise ValueError(f"--kinds: unknown kind {kind}; {suggestion(kind, dataset.kinds, none='')}")
    evaluated = results.evaluate(
        dataset.alarms,
        dataset.labels,
        rules[options.protocol],
        light=dataset.light,
        seconds=dataset.seconds,
        kinds=kinds,
    )
    if kinds and not (evaluated.truths or evaluated.alarms):
        raise ValueError(f"--kinds: there is neither a truth nor an alarm of {', '.join(sorted(kinds))}")
    return evaluated


def _curves(
    options: argparse.Namespace, values: dict[str, Any], dataset: Dataset, runs: dict[str, Results]
) -> dict[str, str]:
    """Adds the protocol's curve to the values. Draws the plots of a requested report, and returns them by title."""
    from detectors.evaluation import plots, summary

    folder, pictures = options.report, {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in values["by"].items():
            if rows:
                pictures[f"Precision and recall by {name}"] = f"by-{name}.png"
                plots.shares(folder / f"by-{name}.png", rows, f"by {name}")
    if options.protocol == "actev":
        curves = {name: summary.curve(results) for name, results in runs.items()}
        values["curve"] = summary.curve_values(curves["this"])
        if folder is not None:
            pictures["Miss rate against false alarms a camera-day"] = "miss-rate.png"
            plots.miss_rate(folder / "miss-rate.png", curves)
    if options.protocol == "frames":
        curve, values["frames"] = summary.frame_curves(dataset.labels, runs["this"])
        if folder is not None:
            pictures["ROC over frames"] = "roc.png"
            plots.roc(folder / "roc.png", curve)
    return pictures
