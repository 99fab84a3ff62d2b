"""Chaos tests of the Kafka workers, each with a real broker and real processes; PROTOCOLS.md describes them.

LANEWATCH_DATA=... python -m benchmarks.chaos [--only stages sampler broker restart camera outage] [--json]
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import command
from benchmarks.chaos import faulty_camera, live, stages
from deploy.kafka_server import BrokerProcess

LOOPS = {"broker": 2}
"""Counted showings of the clip, if not one; the undisturbed run for comparison has as many."""

AWAY_S = 60.0
OUTAGE_S = 600.0


def run(only: Sequence[str], rounds: int, seed: int, outage_s: float) -> dict[str, Any]:
    """Runs the tests; returns the results by test, and the failures as ``failed``."""
    folder = Path(tempfile.mkdtemp(prefix="lanewatch-chaos-"))
    results: dict[str, Any] = {}
    failed: list[str] = []
    undisturbed: dict[int, dict[str, Any]] = {}
    with BrokerProcess(heap="768m") as process:

        def played(name: str, disturb: live.Disturb | None = None, *, loops: int = 1) -> dict[str, Any]:
            return live.play(folder / name, process.address, disturb, loops)

        tests: dict[str, Callable[[], dict[str, Any]]] = {
            "stages": lambda: stages.rounds(folder, process.address, rounds, seed),
            "sampler": lambda: played("sampler", live.killed_sampler),
            "broker": lambda: played("broker", live.stopped_broker(process, AWAY_S), loops=LOOPS["broker"]),
            "restart": lambda: played("restart", live.restarted_broker(process, 3)),
            "camera": lambda: faulty_camera.measure(folder, process.address),
            "outage": lambda: played("outage", live.stopped_broker(process, outage_s)),
        }
        for name in only:
            started = time.monotonic()
            print(f"== {name}", file=sys.stderr, flush=True)
            loops = LOOPS.get(name, 1)
            if CHECKS[name] is _check_found and loops not in undisturbed:
                kind = "calm" if loops == 1 else f"calm_{loops}"
                undisturbed[loops] = results[kind] = played(kind, loops=loops)
                print(f"{kind}: {json.dumps(undisturbed[loops], ensure_ascii=False)}", file=sys.stderr, flush=True)
            results[name] = tests[name]() | {"took_s": round(time.monotonic() - started, 1)}
            failed += [f"{name}: {failure}" for failure in CHECKS[name](results[name], undisturbed.get(loops, {}))]
            print(json.dumps(results[name], ensure_ascii=False), file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return results | {"failed": failed}


def _check_stages(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    failures = []
    for number, row in enumerate(result["rounds"], 1):
        if not row["equal"] or row["doubled"]:
            failures.append(f"round {number} ({row['stage']}): lost {row['lost']}, more {row['more']}")
        if row["takeover_s"] > stages.TAKEOVER_S:
            failures.append(f"round {number} ({row['stage']}): taken over after {row['takeover_s']:.1f} s")
    return failures


def _check_found(result: dict[str, Any], undisturbed: dict[str, Any]) -> list[str]:
    share = result["found"] / result["truths"] - undisturbed["found"] / undisturbed["truths"]
    more = len(result["false"]) / result["truths"] - len(undisturbed["false"]) / undisturbed["truths"]
    failures = [f"{-share:.1%} of the true events fewer than undisturbed"] if share < 0 else []
    return failures + ([f"{more:.1%} more false or doubled ones than undisturbed"] if more > 0 else [])


def _check_camera(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    failures = [] if result["worst"] <= faulty_camera.TOLERANCE else [f"a rate changed by {result['worst']:.1%}"]
    missing = set(faulty_camera.FAULTS) - set(result["seen"])
    return failures + ([f"never tried: {', '.join(sorted(missing))}"] if missing else [])


def _check_outage(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    failures = [] if result["most_gb"] <= live.MAX_GB else [f"a process had {result['most_gb']:.2f} GB"]
    counted = any(loss.startswith("sample ") for loss in result["lost"])
    return failures if counted else [*failures, "no sampler counted the frames that it could not send"]


CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any]], list[str]]] = {
    "stages": _check_stages,
    "sampler": _check_found,
    "broker": _check_found,
    "restart": _check_found,
    "camera": _check_camera,
    "outage": _check_outage,
}


def table(results: dict[str, Any]) -> str:
    """A line for each test."""
    return "\n".join(f"{name}: {json.dumps(result, ensure_ascii=False)}" for name, result in results.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the tests and prints their results; 1 if one fails."""
    parser = command.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS), help="the tests (default: all)")
    parser.add_argument("--rounds", type=int, default=20, help="of kill -9 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=2026, help="of the moments (default: %(default)s)")
    parser.add_argument("--outage-s", type=float, default=OUTAGE_S, help="of the outage (default: %(default)s)")
    options = parser.parse_args(arguments)
    command.data_folder()  # fails now, not after the first test
    results = run(options.only, options.rounds, options.seed, options.outage_s)
    command.show(results, table, options.json)
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
