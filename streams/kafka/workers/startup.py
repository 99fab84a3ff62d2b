"""The start of every command that uses Kafka: site file, broker, topics and published site."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lanewatch import metrics, service
from lanewatch.config import loader
from lanewatch.config.site import Site
from lanewatch.paths import existing
from streams.kafka.client import acls
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.topic_monitor import TopicMonitor
from streams.kafka.client.topics import Topics
from streams.kafka.state.site_topic import SiteTopic

log = metrics.log("site")


@dataclass(frozen=True)
class WorkerContext:
    """The open resources of a command.

    Attributes:
        file: the site file's content; ``${NAME}`` in URLs is not replaced.
        log: the published site, which is in effect.
        node: this process's name.
    """

    file: Site
    broker: Broker
    topics: Topics
    log: SiteTopic
    node: str


def options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every stage's command: the site file, and those of ``lanewatch.service``."""
    parser.add_argument("site", type=existing, metavar="SITE", help="the site file")
    service.add_options(parser)


@contextmanager
def open_worker(arguments: argparse.Namespace, stage: str, *, first: bool = True) -> Iterator[WorkerContext]:
    """Reads the site file, checks the broker, makes the topics, and follows the published site until the end.

    If no site is published yet, the file is published. Two processes that start at once publish the same. If the
    published site differs from the file, a warning is logged, and the published site is in effect.

    Args:
        stage: with the node, this process's name for the broker.
        first: whether to publish the file if no site is published.

    Raises:
        lanewatch.config.problems.SiteError: the file is invalid; the message has a line for each problem.
        BrokerError: the broker or a topic is not usable.
    """
    node = service.node_name(arguments)
    site = loader.load(arguments.site, resolve=False)
    broker = Broker(site, f"{stage}-{node}")
    topics = Topics(site)
    acls.check_stage(broker, topics, acls.stage_of_command(stage))
    with TopicMonitor(broker, topics), SiteTopic(broker, topics) as sites:
        sites.read()
        if sites.empty and first:
            publish_first_site(sites, site, topics, arguments.site)
        if not sites.empty:
            sites.wait()
            _warn_if_different(arguments.site, site, sites)
        yield WorkerContext(site, broker, topics, sites, node)


def publish_first_site(sites: SiteTopic, site: Site, topics: Topics, path: Path) -> None:
    """Publishes the first site; raises ``BrokerError``, with the site file's ``path``, if this user must not."""
    try:
        sites.publish(site)
    except BrokerAwayError:
        raise
    except BrokerError as error:
        raise BrokerError(
            f"topic {topics.site.name} has no site yet, and this user cannot write one. Run `lanewatch publish {path}` "
            f"first, as the user that makes the topics ({error})"
        ) from error
    log.info("site %s (%s) is published to %s", site.id, site.digest, topics.site.name)


def _warn_if_different(path: Path, site: Site, sites: SiteTopic) -> None:
    latest = sites.revisions.latest
    if latest.digest != site.digest:
        problem = (
            "%s (%s) differs from the published site (%s), which is in effect. Run `lanewatch publish %s` to apply the "
            "file"
        )
        log.warning(problem, path, site.digest, latest.digest, path)
        return
    urls = {camera.id: camera.url for camera in latest.cameras}
    moved = [camera.id for camera in site.cameras if urls.get(camera.id) != camera.url]
    if moved:
        log.warning("%s: the published site, which is in effect, has other URLs for %s", path, ", ".join(moved[:8]))
