"""The command of this package: ``lanewatch evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.evaluation.results import DIMENSIONS

if TYPE_CHECKING:
    from detectors.evaluation.dataset import Dataset
    from detectors.evaluation.results import Results
    from lanewatch.config.site import Site

PROTOCOLS = ("kisa", "ilids", "actev", "frames")


def evaluate(argv: Sequence[str]) -> int:
    """``lanewatch evaluate EVENTS --truth FILE...``: how well events meet what happened."""
    parser = argparse.ArgumentParser(
        prog="lanewatch evaluate",
        description="Compares events with what happened, by a published protocol, and tells false alarms a camera-day "
        "where it is known for how long was watched. See docs/evaluation.md.",
    )
    parser.add_argument(
        "events",
        nargs="?",
        type=Path,
        metavar="EVENTS",
        help="lines of JSON as `rescore --json` prints them, kept detections (with --site), or KISA's XML",
    )
    parser.add_argument("--truth", nargs="+", type=Path, metavar="FILE", help="truth files (YAML), or KISA's XML")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="kisa", help="default: kisa")
    parser.add_argument("--by", action="append", choices=DIMENSIONS, help="figures apart; may be given several times")
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="only these")
    parser.add_argument(
        "--severity",
        type=int,
        choices=(1, 2, 3),
        default=1,
        help="an event counts from when it is so grave: 1 watch (default), 2 alert, 3 dispatch; of kept detections",
    )
    parser.add_argument("--site", type=Path, help="the site file: scores kept detections, and knows the sun")
    parser.add_argument("--clock", help="capture time at which KISA's clips begin, such as 2026-01-15T02:00:00+09:00")
    parser.add_argument("--hours", type=float, help="camera-hours, where neither detections nor labels know them")
    parser.add_argument("--recall-bias", type=float, default=1.0, metavar="A", help="of i-LIDS' F1 (default: 1)")
    parser.add_argument("--compare", type=Path, metavar="EVENTS", help="another run, judged by the same truth")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write report.md and its pictures here")
    parser.add_argument("--write-kisa", type=Path, metavar="FOLDER", help="write the events as KISA's XML")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    parser.add_argument("--self-test", action="store_true", help="the evaluator's own test: hit, late, none, spurious")
    options = parser.parse_args(argv)
    if options.self_test:
        return _self_test()
    if options.events is None or not options.truth:
        parser.error("give EVENTS and --truth FILE, or --self-test")
    for name, value in (("--hours", options.hours), ("--recall-bias", options.recall_bias)):
        if value is not None and not 0 < value < float("inf"):
            parser.error(f"{name} must be above 0")
    return _evaluate(options)


def _self_test() -> int:
    from detectors.evaluation import kisa

    met = kisa.self_test()
    counts = len(met.pairs), len(met.missed), len(met.false)
    print("hit, late, none, spurious: TP {}, FN {}, FP {}".format(*counts))
    return 0 if counts == (1, 2, 2) else 1


def _evaluate(options: argparse.Namespace) -> int:
    from detectors.behaviours.base import BehaviourError
    from detectors.evaluation.ground_truth import EvaluationError
    from detectors.site import validation
    from detectors.thresholds import ThresholdError
    from lanewatch.config.problems import SiteError

    try:
        site = validation.load(options.site, pictures=False) if options.site else None
        result = _result(options, site)
    except (EvaluationError, SiteError, BehaviourError, ThresholdError) as error:
        print(error, file=sys.stderr)
    except (OSError, ValueError, KeyError) as error:
        print(f"lanewatch: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
    else:
        print(
            json.dumps(result, ensure_ascii=False) if options.json else _text(result), end="\n" if options.json else ""
        )
        return 0
    return 1


def _result(options: argparse.Namespace, site: Site | None) -> dict[str, Any]:
    import msgspec

    from detectors.evaluation import comparison, plots, summary
    from detectors.evaluation import dataset as cases

    if options.report is not None:
        plots.require()

    def load(events: Path) -> Dataset:
        return cases.load(
            events,
            options.truth,
            site=site,
            clock=options.clock,
            hours=options.hours,
            severity=options.severity,
        )

    case = load(options.events)
    judgement = _judge(options, case)
    result = summary.summary(case, judgement, options.protocol, options.by or ["kind"], options.recall_bias)
    runs = {"this": (case, judgement)}
    if options.compare is not None:
        other = load(options.compare)
        if not other.seconds:
            other = msgspec.structs.replace(other, seconds=case.seconds)
        second = _judge(options, other)
        runs["other"] = (other, second)
        result["compare"] = comparison.compare(judgement, second) | {
            "events": other.events,
            "first": result["overall"],
            "second": summary.row(second.tally),
            "aside": summary.excluded(other, second),
        }
    if options.write_kisa is not None:
        _write_kisa(options, case)
    pictures = _pictures(options, result, runs)
    if options.report is not None:
        from detectors.evaluation import report

        (options.report / "report.md").write_text(report.markdown(result, pictures), encoding="utf-8")
    return result


def _judge(options: argparse.Namespace, case: Dataset) -> Results:
    from detectors.evaluation import actev, ilids, results
    from lanewatch.config.problems import suggestion

    rules = {
        "kisa": results.window_rule(),
        "frames": results.window_rule(),
        "ilids": results.window_rule(*ilids.WINDOW),
        "actev": actev.aligned,
    }
    kinds = frozenset(options.kinds) if options.kinds else None
    for kind in sorted((kinds or frozenset()) - case.kinds):
        raise ValueError(f"--kinds: unknown kind {kind}; {suggestion(kind, case.kinds, none='')}")
    return results.evaluate(
        case.alarms, case.labels, rules[options.protocol], light=case.light, seconds=case.seconds, kinds=kinds
    )


def _pictures(
    options: argparse.Namespace, result: dict[str, Any], runs: dict[str, tuple[Dataset, Results]]
) -> dict[str, str]:
    """Adds the protocol's curve to the result; draws what there is to draw where a report was asked for."""
    from detectors.evaluation import plots, summary

    folder, pictures = options.report, {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in result["by"].items():
            if rows:
                pictures[f"Precision and recall by {name}"] = f"by-{name}.png"
                plots.shares(folder / f"by-{name}.png", rows, f"by {name}")
    if options.protocol == "actev":
        curves = {name: summary.curve(judged) for name, (_, judged) in runs.items()}
        result["curve"] = summary.curve_values(curves["this"])
        if folder is not None:
            pictures["Miss rate against false alarms a camera-day"] = "miss-rate.png"
            plots.miss_rate(folder / "miss-rate.png", curves)
    if options.protocol == "frames":
        curve, result["frames"] = summary.frame_curves(runs["this"][0].labels, runs["this"][1])
        if folder is not None:
            pictures["ROC over frames"] = "roc.png"
            plots.roc(folder / "roc.png", curve)
    return pictures


def _write_kisa(options: argparse.Namespace, case: Dataset) -> None:
    from detectors.evaluation import kisa

    kisa.write(options.write_kisa, kisa.clips(case.alarms, case.labels))


def _text(result: dict[str, Any]) -> str:
    from detectors.evaluation import report

    return report.markdown(result, {})
