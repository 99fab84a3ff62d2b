"""How a stage's command begins: the site file, the broker, the topics, and the site as the city has it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lanewatch import metrics, service
from lanewatch.config import loader
from lanewatch.config.site import Site
from streams.kafka.client import acls
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.topics import Topics
from streams.kafka.state.site_topic import SiteTopic

log = metrics.log("site")


@dataclass(frozen=True)
class WorkerContext:
    """What a stage works with.

    Attributes:
        file: the site as the file has it, its cameras' URLs as they are written there.
        log: the site as the topic has it, which is what counts.
        node: what this process is called.
    """

    file: Site
    broker: Broker
    topics: Topics
    log: SiteTopic
    node: str


def options(parser: argparse.ArgumentParser) -> None:
    """Adds what every stage's command takes: the site file, and what ``lanewatch.service`` adds."""
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    service.add_options(parser)


@contextmanager
def open_worker(arguments: argparse.Namespace, stage: str, *, first: bool = True) -> Iterator[WorkerContext]:
    """The site file is read, the broker asked, the topics made; the site's log is followed until the end.

    Where the topic holds no site yet, the file's is published: whoever starts first does so, and two at once write
    the same. Where it holds another than the file, that is said, and the topic's counts.

    Args:
        arguments: with ``site`` and ``node``.
        stage: names this process to the broker, with its node.
        first: whether a site is published where there is none.

    Raises:
        lanewatch.config.problems.SiteError: the file has something wrong; a line for each.
        BrokerError: the broker or a topic is not as it must be.
    """
    node = service.node_name(arguments)
    site = loader.load(arguments.site, resolve=False)
    broker = Broker(site, f"{stage}-{node}")
    topics = Topics(site)
    acls.check_stage(broker, topics, acls.stage_of_command(stage))
    with SiteTopic(broker, topics) as sites:
        sites.read()
        if sites.empty and first:
            sites.check_version()
            check_and_begin(sites, site, topics, arguments.site)
        if not sites.empty:
            sites.wait()
            _compare(arguments.site, site, sites)
        yield WorkerContext(site, broker, topics, sites, node)


def check_and_begin(sites: SiteTopic, site: Site, topics: Topics, path: Path) -> None:
    """Publishes the very first site.

    Args:
        sites: whose topic is empty.
        path: of the site file.

    Raises:
        BrokerError: this user may not, and who may is to do it first; or the broker is away.
    """
    try:
        sites.publish(site)
    except BrokerAwayError:
        raise
    except BrokerError as error:
        raise BrokerError(
            f"topic {topics.site.name} has no site yet, and this user cannot write one: run `lanewatch publish {path}` "
            f"first, as the user who makes the topics ({error})"
        ) from error
    log.info("site %s (%s) is published to %s", site.id, site.digest, topics.site.name)


def _compare(path: Path, site: Site, sites: SiteTopic) -> None:
    latest = sites.revisions.latest
    if latest.digest != site.digest:
        log.warning(
            "%s has another site (%s) than the city (%s), whose counts: `lanewatch publish %s` makes the file's hold",
            path,
            site.digest,
            latest.digest,
            path,
        )
        return
    urls = {camera.id: camera.url for camera in latest.cameras}
    moved = [camera.id for camera in site.cameras if urls.get(camera.id) != camera.url]
    if moved:
        log.warning("%s has other URLs than the city, whose count, for %s", path, ", ".join(moved[:8]))
