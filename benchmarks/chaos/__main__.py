"""The slow proofs of the Kafka runner, each against a real broker and real processes.

    LANEWATCH_DATA=... python -m benchmarks.chaos [--only stages sampler broker restart camera outage] [--json]

- ``stages``: kill -9 of detect, watch, correlate or serve at seeded random moments, shedding off: the events must equal
  those of an undisturbed run, ids and revisions included.
- ``sampler``: kill -9 of one of two samplers, whose cameras nobody watches until the other has them; ``broker``: it is
  stopped for a minute; ``restart``: it is killed and started again in the middle of its work: what is found within
  KISA's window, beside an undisturbed run, and what was lost, by reason.
- ``camera``: a camera stalls, sends garbage, changes its size, jumps its clock: the rate of the others.
- ``outage``: the broker is out of reach for ten minutes: memory, and that what is lost is counted; that all goes on
  afterwards is waited for. How the spool is delivered is a slow test of its own (tests/streams/kafka/state/test_event_outbox.py).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import command
from benchmarks.chaos import live, stages, trouble
from deploy.kafka_server import BrokerProcess
from lanewatch.demo import CLIP

PROOFS = ("stages", "sampler", "broker", "restart", "camera", "outage")
LOOPS = {"broker": 2}
"""Showings of the clip that count, in a proof and in the undisturbed run beside it, where it is not one."""
AWAY_S = 60.0
OUTAGE_S = 600.0


def run(only: Sequence[str], rounds: int, seed: int, outage_s: float) -> dict[str, Any]:
    """The proofs' results by name; ``failed`` lists what was not as it must be."""
    folder = Path(tempfile.mkdtemp(prefix="lanewatch-chaos-"))
    results: dict[str, Any] = {}
    failed: list[str] = []
    calm: dict[int, dict[str, Any]] = {}
    with BrokerProcess(heap="768m") as process:

        def played(name: str, disturb: live.Disturb | None = None, *, loops: int = 1) -> dict[str, Any]:
            return live.Scene(folder, CLIP, process.address, live.PERIOD_S, loops=loops).play(name, disturb)

        proofs: dict[str, Callable[[], dict[str, Any]]] = {
            "stages": lambda: stages.rounds(folder, CLIP, process.address, rounds, seed),
            "sampler": lambda: played("sampler", live.killed_sampler),
            "broker": lambda: played("broker", live.stopped_broker(process, AWAY_S), loops=LOOPS["broker"]),
            "restart": lambda: played("restart", live.restarted_broker(process, 3)),
            "camera": lambda: trouble.measure(folder, CLIP, process.address),
            "outage": lambda: played("outage", live.stopped_broker(process, outage_s)),
        }
        for name in only:
            begun = time.monotonic()
            print(f"== {name}", file=sys.stderr, flush=True)
            loops = LOOPS.get(name, 1)
            if JUDGES[name] is _found and loops not in calm:
                kind = "calm" if loops == 1 else f"calm_{loops}"
                calm[loops] = results[kind] = played(kind, loops=loops)
                print(f"{kind}: {json.dumps(calm[loops], ensure_ascii=False)}", file=sys.stderr, flush=True)
            results[name] = proofs[name]() | {"took_s": round(time.monotonic() - begun, 1)}
            failed += [f"{name}: {what}" for what in JUDGES[name](results[name], calm.get(loops, {}))]
            print(json.dumps(results[name], ensure_ascii=False), file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return results | {"failed": failed}


def _stages(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    wrong = []
    for number, one in enumerate(result["rounds"]):
        if not one["equal"] or one["doubled"]:
            wrong.append(f"round {number + 1} ({one['stage']}): lost {one['lost']}, more {one['more']}")
        if one["takeover_s"] > stages.TAKEOVER_S:
            wrong.append(f"round {number + 1} ({one['stage']}): taken over after {one['takeover_s']:.1f} s")
    return wrong


def _found(result: dict[str, Any], calm: dict[str, Any]) -> list[str]:
    share = result["found"] / result["truths"] - calm["found"] / calm["truths"]
    more = len(result["false"]) / result["truths"] - len(calm["false"]) / calm["truths"]
    wrong = [f"{-share:.1%} of the true events fewer than undisturbed"] if share < 0 else []
    return wrong + ([f"{more:.1%} more false or doubled ones than undisturbed"] if more > 0 else [])


def _camera(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    wrong = [] if result["worst"] <= trouble.WITHIN else [f"a rate changed by {result['worst']:.1%}"]
    missing = set(trouble.TROUBLES) - set(result["seen"])
    return wrong + ([f"never tried: {', '.join(sorted(missing))}"] if missing else [])


def _outage(result: dict[str, Any], _: dict[str, Any]) -> list[str]:
    wrong = [] if result["most_gb"] <= live.MOST_GB else [f"a process had {result['most_gb']:.2f} GB"]
    counted = any(what.startswith("sample ") for what in result["lost"])
    return wrong if counted else [*wrong, "no sampler counted what it could not send"]


JUDGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], list[str]]] = {
    "stages": _stages,
    "sampler": _found,
    "broker": _found,
    "restart": _found,
    "camera": _camera,
    "outage": _outage,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PROOFS, default=list(PROOFS), help="some of the proofs")
    parser.add_argument("--rounds", type=int, default=20, help="of kill -9 (%(default)s)")
    parser.add_argument("--seed", type=int, default=2026, help="of the moments (%(default)s)")
    parser.add_argument("--outage-s", type=float, default=OUTAGE_S, help="how long the outage lasts (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one object instead of lines")
    options = parser.parse_args(arguments)
    command.data_folder()  # said at once, and not after the first proof
    results = run(options.only, options.rounds, options.seed, options.outage_s)
    if options.json:
        print(json.dumps(results))
    else:
        for name, result in results.items():
            print(f"{name}: {json.dumps(result, ensure_ascii=False)}")
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
