"""The store's tables. Events are stored whole as JSON, beside the columns by which lists are filtered."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

feed = Table(
    "feed",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("what", String(16), nullable=False),
    Column("run", String(128), nullable=False),
    Column("id", String(128), nullable=False),
    Column("revision", BigInteger),
    Column("body", Text),
    UniqueConstraint("run", "id", "revision"),
)
"""All changes in the order of their commits: revisions of events (``what`` is ``event``, with a body), and changes of
evidence or verdicts. The only writer assigns the positions, and never uses one twice."""

events = Table(
    "events",
    metadata,
    Column("run", String(128), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Index("events_by_time", "started_at", "run", "id"),
    *(
        Index(f"events_by_{column}", column, "started_at", "run", "id")
        for column in ("camera", "kind", "severity", "state", "zone")
    ),
    Index("events_by_id", "id"),
)
"""The newest revision of each event. ``opened`` and ``started_at`` are those of the first stored revision and never
change, so a page's cursor stays valid while events go on."""

evidence = Table(
    "evidence",
    metadata,
    Column("run", String(128), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("body", Text, nullable=False),
    Column("settled", Boolean, nullable=False, index=True),
)
"""The state of an event's evidence; ``settled`` if it is final."""

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run", String(128), nullable=False),
    Column("id", String(128), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", String(128), nullable=False),
    Column("given_at", Float(53), nullable=False),
    Index("verdicts_by_event", "run", "id"),
)
"""Operators' verdicts, in order. None is overwritten: the last one is in effect, the others are its history."""

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("looked_at", Float(53), nullable=False),
    Column("who", String(128), nullable=False),
    Column("address", String(64), nullable=False),
    Column("what", String(32), nullable=False),
    Column("run", String(128), nullable=False),
    Column("id", String(128), nullable=False),
    Column("camera", String(64), nullable=False),
    Column("detail", String(256), nullable=False),
)
"""Every access to footage: the client, its address, the time, the file."""
