"""The store's tables. Events are stored whole as JSON, beside the columns by which lists are filtered."""

from __future__ import annotations

import sqlalchemy as sql

metadata = sql.MetaData()


def _texts(**sizes: int) -> list[sql.Column[str]]:
    """Required texts, each with its largest length."""
    return [sql.Column(name, sql.String(size), nullable=False) for name, size in sizes.items()]


feed = sql.Table(
    "feed",
    metadata,
    sql.Column("position", sql.BigInteger, primary_key=True, autoincrement=False),
    *_texts(what=16, run=128, id=128),
    sql.Column("revision", sql.BigInteger),
    sql.Column("body", sql.Text),
    sql.UniqueConstraint("run", "id", "revision"),
)
"""All changes in the order of their commits: revisions of events (``what`` is ``event``, with a body), and changes of
evidence or verdicts. The only writer assigns the positions, and never uses one twice."""

events = sql.Table(
    "events",
    metadata,
    sql.Column("run", sql.String(128), primary_key=True),
    sql.Column("id", sql.String(128), primary_key=True),
    sql.Column("revision", sql.BigInteger, nullable=False),
    sql.Column("position", sql.BigInteger, nullable=False),
    sql.Column("opened", sql.BigInteger, nullable=False),
    sql.Column("started_at", sql.Float(53), nullable=False),
    *_texts(camera=64, kind=64, zone=64, state=16),
    sql.Column("severity", sql.Integer, nullable=False),
    sql.Column("body", sql.Text, nullable=False),
    sql.Index("events_by_time", "started_at", "run", "id"),
    *(
        sql.Index(f"events_by_{column}", column, "started_at", "run", "id")
        for column in ("camera", "kind", "severity", "state", "zone")
    ),
    sql.Index("events_by_id", "id"),
)
"""The newest revision of each event. ``opened`` and ``started_at`` are those of the first stored revision and never
change, so a page's cursor stays valid while events go on."""

evidence = sql.Table(
    "evidence",
    metadata,
    sql.Column("run", sql.String(128), primary_key=True),
    sql.Column("id", sql.String(128), primary_key=True),
    sql.Column("body", sql.Text, nullable=False),
    sql.Column("settled", sql.Boolean, nullable=False, index=True),
)
"""The state of an event's evidence; ``settled`` if it is final."""

verdicts = sql.Table(
    "verdicts",
    metadata,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    *_texts(run=128, id=128, verdict=16),
    sql.Column("reason", sql.Text, nullable=False),
    sql.Column("who", sql.String(128), nullable=False),
    sql.Column("given_at", sql.Float(53), nullable=False),
    sql.Index("verdicts_by_event", "run", "id"),
)
"""Operators' verdicts, in order. None is overwritten: the last one is in effect, the others are its history."""

audit = sql.Table(
    "audit",
    metadata,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("looked_at", sql.Float(53), nullable=False),
    *_texts(who=128, address=64, what=32, run=128, id=128, camera=64, detail=256),
)
"""Every access to footage: the client, its address, the time, the file."""
