"""What each stage's user may do at a broker that has access rules: the one place where that is written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from kafka.errors import AuthorizationError, GroupAuthorizationFailedError, RetriableError

from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Stream, Topics, ensure_topics

Stage = Literal["admin", "sample", "detect", "watch", "correlate", "serve", "keep", "status"]
Operation = Literal["READ", "WRITE", "DESCRIBE", "CREATE", "DELETE", "ALTER", "ALTER_CONFIGS", "DESCRIBE_CONFIGS"]

STAGES: tuple[Stage, ...] = get_args(Stage)

EVERYWHERE: tuple[Operation, ...] = ("DESCRIBE", "DESCRIBE_CONFIGS")
"""On all topics of the prefix, for every stage: it looks at its start whether they are as they must be."""

_SETTLING_S = 10.0
"""How long a new broker may take until it answers for groups."""

_MANAGING: tuple[Operation, ...] = ("CREATE", "ALTER", "ALTER_CONFIGS")


@dataclass(frozen=True)
class StageRights:
    """Of one stage, beyond what all have.

    Attributes:
        topics: what it may do with which of the site's topics.
        groups: the consumer groups that it may join, by the name that follows the prefix; ``*`` is every one.
        managing: what it may do with all of the site's topics, and with those that are not there yet.
    """

    topics: Mapping[Stream, tuple[Operation, ...]]
    groups: tuple[str, ...] = ()
    managing: tuple[Operation, ...] = ()


RIGHTS: Mapping[Stage, StageRights] = MappingProxyType(
    {
        # publishes the site, moves cameras between samplers, makes the topics
        "admin": StageRights({"site": ("READ", "WRITE"), "holders": ("READ", "WRITE")}, managing=_MANAGING),
        "sample": StageRights(
            {"site": ("READ",), "holders": ("READ", "WRITE"), "frames": ("WRITE",)}, groups=("sample",)
        ),
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
        # looks at lags and at who samples what
        "status": StageRights({"site": ("READ",), "holders": ("READ",), "events": ("READ",)}, groups=("*",)),
    }
)


@dataclass(frozen=True)
class Grant:
    """One line of access rules.

    Attributes:
        kind: of what.
        name: of it; where ``prefixed``, how the names begin.
        operations: what is allowed.
    """

    kind: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def stage_of_command(command: str) -> Stage:
    """Whose rights a command needs: its stage's, or the administrator's, such as for ``publish``."""
    return next((one for one in STAGES if one == command), "admin")


def grants(topics: Topics, stage: Stage) -> tuple[Grant, ...]:
    """Everything that a stage's user must be allowed."""
    rights = RIGHTS[stage]
    everywhere = Grant("topic", f"{topics.prefix}.", EVERYWHERE + rights.managing, prefixed=True)
    each = [Grant("topic", getattr(topics, stream).name, what) for stream, what in rights.topics.items()]
    # Who only looks at lags needs no membership.
    groups = [
        Grant("group", f"{topics.prefix}.", ("DESCRIBE",), prefixed=True)
        if name == "*"
        else Grant("group", topics.group(name), ("READ",))
        for name in rights.groups
    ]
    return (everywhere, *each, *groups)


def commands(topics: Topics, stage: Stage, principal: str, address: str) -> list[str]:
    """The broker's own commands that allow a stage all of it; for an administrator's shell.

    Args:
        topics: the site's.
        stage: which.
        principal: such as ``User:detect``, or ``User:CN=detect`` with certificates.
        address: of the broker.
    """
    return [
        f"kafka-acls.sh --bootstrap-server {address} --add --allow-principal '{principal}' "
        + " ".join(f"--operation {_words(one)}" for one in grant.operations)
        + f" --{grant.kind} {grant.name}"
        + (" --resource-pattern-type prefixed" if grant.prefixed else "")
        for grant in grants(topics, stage)
    ]


def rules(topics: Topics, stage: Stage, principal: str) -> list[ACL]:
    """The same for ``KafkaAdminClient.create_acls``."""
    return [
        ACL(
            principal,
            "*",
            ACLOperation[operation],
            ACLPermissionType.ALLOW,
            ResourcePattern(
                ResourceType[grant.kind.upper()],
                grant.name,
                ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL,
            ),
        )
        for grant in grants(topics, stage)
        for operation in grant.operations
    ]


def check_stage(broker: Broker, topics: Topics, stage: Stage) -> None:
    """That a stage can begin: the broker answers, the topics are as they must be, and all that it does is allowed.

    Raises:
        BrokerAwayError: the broker can't be reached.
        BrokerError: it can't begin; says what to do.
    """
    try:
        ensure_topics(broker, topics)
    except BrokerError as error:
        if isinstance(error.__cause__, AuthorizationError):
            check_rights(broker, topics, stage)  # says all that is missing, with the commands
        raise
    check_rights(broker, topics, stage)


def check_rights(broker: Broker, topics: Topics, stage: Stage) -> None:
    """Asks the broker whether this process may do what its stage does, before it begins.

    Raises:
        BrokerAwayError: the broker can't be reached.
        BrokerError: it may not; with the commands that allow it.
    """
    with broker.administering() as admin:
        lacking = _lacking(admin, topics, stage)
    if lacking:
        told = "; ".join(f"{'/'.join(sorted(what))} on {name}" for name, what in lacking.items())
        mends = " && ".join(commands(topics, stage, f"User:{broker.user or 'NAME'}", broker.addresses[0]))
        raise BrokerError(f"broker {broker.where}: {broker.who} may not {told}; allow it as an administrator: {mends}")


def _lacking(admin: KafkaAdminClient, topics: Topics, stage: Stage) -> dict[str, set[str]]:
    rights = RIGHTS[stage]
    lacking: dict[str, set[str]] = {}
    allowed: dict[str, set[str]] = {
        one["name"]: set(one.get("authorized_operations") or ())
        for one in admin.describe_topics([topic.name for topic in topics.all])
    }
    for stream, what in rights.topics.items():
        name = getattr(topics, stream).name
        lacking[name] = set[str](what) - allowed.get(name, set())
    for group in (topics.group(name) for name in rights.groups if name != "*"):
        lacking[f"group {group}"] = _group_lacks(admin, group)
    return {name: what for name, what in lacking.items() if what}


def _group_lacks(admin: KafkaAdminClient, group: str) -> set[str]:
    until = time.monotonic() + _SETTLING_S
    while True:
        try:
            told = admin.describe_groups([group])[group]
        except GroupAuthorizationFailedError:
            return {"READ"}
        except RetriableError:  # a new broker makes the topic of the groups when it is first asked for one
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            # Of a group that nobody has joined yet the broker tells no rights: that it may be looked at is all.
            allowed = told["authorized_operations"]
            return set() if allowed is None or "READ" in allowed else {"READ"}


def _words(operation: Operation) -> str:
    """As the broker's command writes it."""
    return "".join(part.capitalize() for part in operation.split("_"))
