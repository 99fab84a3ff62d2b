"""The commands of this package: ``lanewatch status`` and ``keep``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def status(argv: Sequence[str]) -> int:
    """``lanewatch status SITE``: the stages, their lag and the cameras in one table. 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="lanewatch status",
        description="Shows who is at work in a city, how far behind, and each camera's last word; what is wrong comes "
        "first, and is the exit status: 0 all is well, 1 something is wrong.",
    )
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("--all", action="store_true", help="list every camera, however many there are")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--language", choices=("ko", "en"), default="en", help="of the printed table")
    return _status(parser.parse_args(argv))


def _status(options: argparse.Namespace) -> int:
    import msgspec

    from lanewatch import sitefile
    from lanewatch.problem import SiteError
    from streams.kafka import panel
    from streams.kafka.broker import Broker, BrokerError
    from streams.kafka.status import inspect

    try:
        file = sitefile.load(options.site, resolve=False)
        found, site = inspect(Broker(file, "status"), file)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        told = msgspec.to_builtins(found)
        for problem, one in zip(told["problems"], found.problems, strict=True):
            problem["sentence"] = {language: panel.sentence(one, language) for language in ("ko", "en")}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        print(panel.table(found, site, options.language, all=options.all))
    return 1 if found.problems else 0


def keep(argv: Sequence[str]) -> int:
    """``lanewatch keep SITE``: keeps a city's detections as Parquet, together with all others that do."""
    from lanewatch import process
    from lanewatch.problem import SiteError
    from streams.kafka import opening
    from streams.kafka.broker import BrokerError
    from streams.kafka.keep import KeepLoop

    parser = argparse.ArgumentParser(
        prog="lanewatch keep",
        description="Keeps what a city's detectors saw, for `lanewatch rescore`. Several share the work; one that is "
        "away for less than the detections' retention loses nothing.",
    )
    opening.options(parser)
    parser.add_argument(
        "--data", type=Path, default=Path("var"), help="folder in which detections/ is written (default: var)"
    )
    options = parser.parse_args(argv)
    try:
        with process.running(options, "keep") as stop, opening.opened(options, "keep") as city:
            KeepLoop(city.broker, city.topics, options.data / "detections", node=city.node).run(stop)
    except (SiteError, BrokerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
