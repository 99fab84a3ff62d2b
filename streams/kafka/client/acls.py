"""Access rules: the operations that each stage's user needs. No other place lists them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from kafka import KafkaAdminClient
from kafka.errors import AuthorizationError, GroupAuthorizationFailedError, RetriableError

from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Stream, Topics, ensure_topics

Stage = Literal["admin", "sample", "detect", "watch", "correlate", "serve", "keep", "status"]
Operation = Literal["READ", "WRITE", "DESCRIBE", "CREATE", "DELETE", "ALTER", "ALTER_CONFIGS", "DESCRIBE_CONFIGS"]

STAGES: tuple[Stage, ...] = get_args(Stage)

ALL_TOPICS: tuple[Operation, ...] = ("DESCRIBE", "DESCRIBE_CONFIGS")
"""On all topics of the prefix, for every stage: each checks the topics at its start."""

_GROUPS_READY_S = 10.0
"""Time that a new broker may take until it answers for groups."""

_MANAGING: tuple[Operation, ...] = ("CREATE", "ALTER", "ALTER_CONFIGS")


@dataclass(frozen=True)
class StageRights:
    """The rights of one stage besides ``ALL_TOPICS``.

    ``groups`` are those that it may join, without the prefix; ``*`` allows to describe all groups. ``managing`` are
    operations on all topics of the prefix, existing or not.
    """

    topics: Mapping[Stream, tuple[Operation, ...]]
    groups: tuple[str, ...] = ()
    managing: tuple[Operation, ...] = ()


RIGHTS: Mapping[Stage, StageRights] = {
    # publishes the site, moves cameras between samplers, creates the topics
    "admin": StageRights({"site": ("READ", "WRITE"), "holders": ("READ", "WRITE")}, managing=_MANAGING),
    "sample": StageRights({"site": ("READ",), "holders": ("READ", "WRITE"), "frames": ("WRITE",)}, groups=("sample",)),
    "detect": StageRights({"site": ("READ",), "frames": ("READ",), "detections": ("WRITE",)}, groups=("detect",)),
    "watch": StageRights(
        {"site": ("READ",), "detections": ("READ",), "checkpoints": ("READ", "WRITE"), "events": ("WRITE",)},
        groups=("watch",),
    ),
    "correlate": StageRights(
        {"site": ("READ",), "events": ("READ", "WRITE"), "checkpoints": ("READ", "WRITE")}, groups=("correlate",)
    ),
    # evidence is cut from the frames
    "serve": StageRights({"site": ("READ",), "events": ("READ",), "frames": ("READ",)}, groups=("serve",)),
    "keep": StageRights({"site": ("READ",), "detections": ("READ",)}, groups=("archive",)),
    # reads lags, and which sampler has which camera
    "status": StageRights({"site": ("READ",), "holders": ("READ",), "events": ("READ",)}, groups=("*",)),
}


@dataclass(frozen=True)
class Grant:
    """One access rule; if ``prefixed``, the name is the beginning of the resources' names."""

    kind: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def stage_of_command(command: str) -> Stage:
    """The stage with the rights that a command needs; the administrator's for commands such as ``publish``."""
    return next((stage for stage in STAGES if stage == command), "admin")


def grants(topics: Topics, stage: Stage) -> tuple[Grant, ...]:
    """All access rules of a stage's user."""
    rights = RIGHTS[stage]
    all_topics = Grant("topic", f"{topics.prefix}.", ALL_TOPICS + rights.managing, prefixed=True)
    single_topics = [Grant("topic", getattr(topics, stream).name, may) for stream, may in rights.topics.items()]
    # A user that only reads lags is not a member.
    groups = [
        Grant("group", f"{topics.prefix}.", ("DESCRIBE",), prefixed=True)
        if name == "*"
        else Grant("group", topics.group(name), ("READ",))
        for name in rights.groups
    ]
    return (all_topics, *single_topics, *groups)


def commands(topics: Topics, stage: Stage, principal: str, address: str) -> list[str]:
    """Shell commands that create all access rules of a stage.

    The principal is such as ``User:detect``, or ``User:CN=detect`` with certificates. The address is the broker's.
    """
    return [
        f"kafka-acls.sh --bootstrap-server {address} --add --allow-principal '{principal}' "
        + " ".join(f"--operation {operation.title().replace('_', '')}" for operation in grant.operations)
        + f" --{grant.kind} {grant.name}"
        + (" --resource-pattern-type prefixed" if grant.prefixed else "")
        for grant in grants(topics, stage)
    ]


def check_stage(broker: Broker, topics: Topics, stage: Stage) -> None:
    """Checks that the broker answers, the topics are right, and the stage has its rights.

    Raises:
        BrokerAwayError: the broker cannot be reached.
        BrokerError: the stage cannot start; the message contains the fix.
    """
    try:
        ensure_topics(broker, topics)
    except BrokerError as error:
        if isinstance(error.__cause__, AuthorizationError):
            check_rights(broker, topics, stage)  # its message has all missing rights, with the commands
        raise
    check_rights(broker, topics, stage)


def check_rights(broker: Broker, topics: Topics, stage: Stage) -> None:
    """Checks that this process has the rights of its stage.

    Raises:
        BrokerAwayError: the broker cannot be reached.
        BrokerError: rights are missing; the message has the commands that grant them.
    """
    missing: dict[str, set[str]] = {}
    with broker.open_admin() as admin:
        allowed: dict[str, set[str]] = {
            topic["name"]: set(topic.get("authorized_operations") or ())
            for topic in admin.describe_topics([topic.name for topic in topics.all])
        }
        for stream, operations in RIGHTS[stage].topics.items():
            name = getattr(topics, stream).name
            missing[name] = set[str](operations) - allowed.get(name, set())
        for group in (topics.group(name) for name in RIGHTS[stage].groups if name != "*"):
            missing[f"group {group}"] = _missing_group_rights(admin, group)
    rights = "; ".join(f"{'/'.join(sorted(lacked))} on {name}" for name, lacked in missing.items() if lacked)
    if rights:
        fix = " && ".join(commands(topics, stage, f"User:{broker.user or 'NAME'}", broker.addresses[0]))
        raise BrokerError(
            f"broker {broker.address}: {broker.principal} may not {rights}; allow it as an administrator: {fix}"
        )


def _missing_group_rights(admin: KafkaAdminClient, group: str) -> set[str]:
    deadline = time.monotonic() + _GROUPS_READY_S
    while True:
        try:
            group_description = admin.describe_groups([group])[group]
        except GroupAuthorizationFailedError:
            return {"READ"}
        except RetriableError:  # a new broker creates its topic of groups at the first request
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            # The broker gives no rights for a group without any member so far; that it can be described is enough.
            allowed = group_description["authorized_operations"]
            return set() if allowed is None or "READ" in allowed else {"READ"}
