"""The event store: events, verdicts, evidence and the audit in a database, and the order of all changes."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from api.storage.pagination import EventFilter, Page, decode_cursor, encode_cursor
from api.storage.records import AccessRecord, Evidence, MediaFile, StoredEvent, Verdict
from api.storage.tables import audit, events, evidence, feed, metadata, verdicts
from lanewatch import metrics
from lanewatch.records import Event
from streams.stages import UnavailableError

PREFERRED_RUN = "live"
"""The run of an event that is requested by its id alone, if several runs have that id."""

_BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another process that writes to the same SQLite file."""

_SELECT_EVENTS = sql.select(
    *events.c["position", "run", "id", "started_at", "opened", "body"], sql.literal("event").label("what")
)
_EVENTS_WITH_EVIDENCE = events.outerjoin(
    evidence, sql.and_(events.c.run == evidence.c.run, events.c.id == evidence.c.id)
)


class EventStore:
    """Events, verdicts and the audit in a database that one process writes.

    Every change gets the next ``position`` of the event stream. So a client that knows one position gets all later
    changes, once and in order. Positions are assigned inside the write transaction, under a lock. So they are committed
    in order, which a database's own sequence does not guarantee.

    Args:
        url: A path, or an SQLAlchemy URL (``sqlite:////var/lib/lanewatch/events.db``).

    Raises:
        ValueError: The URL names a database in memory, which threads can't share.
        UnavailableError: The database can't be opened, and from every method: read or written. Nothing of a change
            that could not be written is stored.
    """

    def __init__(self, url: str | Path) -> None:
        address = sql.make_url(url if isinstance(url, str) and "://" in url else f"sqlite:///{url}")
        if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
            raise ValueError("the store needs a file: give a path such as events.db instead of a database in memory")
        self.url = address.render_as_string(hide_password=True)
        self._engine = _create_engine(str(address.render_as_string(hide_password=False)))
        self._writer = self._engine.execution_options(lanewatch_writes=True)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[StoredEvent], None]] = []
        with self._translate_errors("opened"):
            metadata.create_all(self._engine)

    def close(self) -> None:
        """Closes the database's connections."""
        self._engine.dispose()

    def listen(self, listener: Callable[[StoredEvent], None]) -> None:
        """Calls ``listener`` with every change after its commit, in order. It must return quickly."""
        with self._lock:
            self._listeners.append(listener)

    def upsert(self, event: Event) -> int:
        """Stores a revision of an event, notifies the listeners, and returns its position in the event stream.

        Storing the same revision again changes nothing, so at-least-once delivery stores it once. The same revision
        with other content replaces the earlier content, and is a new change. A revision older than the newest one is
        stored, but not shown.
        """
        began = time.perf_counter()
        body = msgspec.json.encode(event).decode()
        with self._write() as (connection, changes):
            same = sql.and_(_is_event(feed, event.run, event.id), feed.c.revision == event.revision)
            known = connection.execute(sql.select(feed.c.position, feed.c.body).where(same)).first()
            if known is not None:
                if known.body == body:
                    return int(known.position)
                connection.execute(sql.update(feed).where(same).values(revision=None))
            position = _append_change(connection, "event", event.run, event.id, event.revision, body)
            _show_newest(connection, event, body, position)
            changes.append(position)
        metrics.STAGE_SECONDS.labels("store").observe(time.perf_counter() - began)
        return position

    def save_evidence(self, run: str, id: str, found: Evidence) -> None:
        """Stores the state of an event's evidence and notifies the listeners."""
        row = {"body": msgspec.json.encode(found).decode(), "settled": found.settled}
        with self._write() as (connection, changes):
            same = _is_event(evidence, run, id)
            if connection.execute(sql.update(evidence).where(same).values(**row)).rowcount == 0:
                connection.execute(sql.insert(evidence).values(run=run, id=id, **row))
            changes.append(_append_change(connection, "evidence", run, id))

    def evidence_of(self, run: str, id: str) -> Evidence:
        """The state of an event's evidence."""
        with self._read() as connection:
            body = connection.execute(sql.select(evidence.c.body).where(_is_event(evidence, run, id))).scalar()
        return Evidence() if body is None else msgspec.json.decode(body, type=Evidence)

    def fail_pending_evidence(self) -> None:
        """Marks evidence as failed if a process that has ended did not finish it.

        The process that writes evidence calls it at its start, when nothing is being written.
        """
        lost = MediaFile("failed", "interrupted")
        with self._write() as (connection, _):
            body = msgspec.json.encode(Evidence(lost, lost)).decode()
            rows = sql.select(events.c.run, events.c.id, sql.literal(body), sql.literal(True))
            missing = rows.select_from(_EVENTS_WITH_EVIDENCE).where(evidence.c.id.is_(None))
            connection.execute(sql.insert(evidence).from_select(["run", "id", "body", "settled"], missing))
            for row in connection.execute(sql.select(evidence).where(evidence.c.settled.is_(False))).all():
                known = msgspec.json.decode(row.body, type=Evidence)
                ended = Evidence(known.snapshot.interrupted(), known.clip.interrupted())
                body = msgspec.json.encode(ended).decode()
                same = _is_event(evidence, row.run, row.id)
                connection.execute(sql.update(evidence).where(same).values(body=body, settled=True))

    def with_pending_evidence(self) -> list[StoredEvent]:
        """The events with unfinished evidence, the oldest first."""
        query = _SELECT_EVENTS.select_from(_EVENTS_WITH_EVIDENCE).where(
            sql.or_(evidence.c.id.is_(None), evidence.c.settled.is_(False))
        )
        with self._read() as connection:
            return _stored_events(connection, connection.execute(query.order_by(events.c.opened)).mappings().all())

    def add_verdict(self, run: str, id: str, verdict: Verdict) -> None:
        """Adds an operator's verdict to an event and notifies the listeners."""
        with self._write() as (connection, changes):
            connection.execute(sql.insert(verdicts).values(run=run, id=id, **asdict(verdict)))
            changes.append(_append_change(connection, "verdict", run, id))

    def record_access(self, record: AccessRecord) -> None:
        """Adds a row to the audit. The store assigns its ``number``."""
        row = asdict(record)
        row.pop("number")
        with self._write() as (connection, _):
            connection.execute(sql.insert(audit).values(**row))

    def access_log(self, *, before: int | None = None, limit: int = 100) -> list[AccessRecord]:
        """The audit's rows, the newest first; ``before`` is the last number of the page before."""
        query = sql.select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._read() as connection:
            return [AccessRecord(**row) for row in connection.execute(query).mappings()]

    def event(self, id: str, run: str | None = None) -> StoredEvent | None:
        """An event's newest revision. Without a run: the one of ``PREFERRED_RUN``, else the one stored last."""
        query = _SELECT_EVENTS.where(events.c.id == id)
        query = query.order_by((events.c.run != PREFERRED_RUN), events.c.position.desc()).limit(1)
        if run is not None:
            query = query.where(events.c.run == run)
        with self._read() as connection:
            found = _stored_events(connection, connection.execute(query).mappings().all())
        return found[0] if found else None

    def page(self, wanted: EventFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A page of the list of events, the newest start first, after ``cursor``.

        The cursor is a place in the list and not a count, so new events do not shift the pages. An event that was
        stored before the first page is on exactly one page.

        Raises:
            CursorError: The cursor is not from this store.
        """
        key = (events.c.started_at, events.c.run, events.c.id)
        query = _SELECT_EVENTS.where(*wanted.conditions()).order_by(*(column.desc() for column in key)).limit(limit + 1)
        if cursor is not None:
            query = query.where(sql.tuple_(*key) < sql.tuple_(*map(sql.literal, decode_cursor(cursor))))
        with self._read() as connection:
            position = _last_position(connection)  # read first: a change in between is sent twice, and not lost
            rows = connection.execute(query).mappings().all()
            found = _stored_events(connection, rows[:limit])
        next_cursor = encode_cursor(rows[limit - 1]) if len(rows) > limit else None
        return Page(tuple(found), next_cursor, position)

    def count(self, wanted: EventFilter) -> int:
        """The number of events that a filter selects."""
        query = sql.select(sql.func.count()).select_from(events).where(*wanted.conditions())
        with self._read() as connection:
            return int(connection.execute(query).scalar_one())

    def since(self, position: int, limit: int = 100) -> list[StoredEvent]:
        """The changes after ``position``, in order, each with the event's current evidence and verdicts."""
        with self._read() as connection:
            return _changes_after(connection, position, limit)

    def position(self) -> int:
        """The position of the last change; 0 if there is none."""
        with self._read() as connection:
            return _last_position(connection)

    def last_bell_event(self, run: str, bell: str) -> Event | None:
        """The last event of an emergency bell."""
        its_own = (events.c.run == run, events.c.kind == "emergency_bell", events.c.zone == bell)
        query = sql.select(events.c.body).where(*its_own).order_by(events.c.started_at.desc()).limit(1)
        with self._read() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else msgspec.json.decode(body, type=Event)

    @contextmanager
    def _write(self) -> Iterator[tuple[sql.Connection, list[int]]]:
        """A transaction. The listeners are notified of the positions that are added to the list, after the commit."""
        positions: list[int] = []
        with self._lock, self._translate_errors("written"):
            with self._writer.begin() as connection:
                yield connection, positions
                changes = [change for position in positions for change in _changes_after(connection, position - 1, 1)]
            for change in changes:
                for listener in self._listeners:
                    listener(change)

    @contextmanager
    def _read(self) -> Iterator[sql.Connection]:
        with self._translate_errors("read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _translate_errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise UnavailableError(
                f"{self.url} could not be {action}: {cause}. What was stored before is safe. "
                "Free disk space, or check that the database can be reached and written. It is retried after that."
            ) from error


def _create_engine(url: str) -> sql.Engine:
    engine = sql.create_engine(url)
    if engine.dialect.name != "sqlite":
        return engine

    @sql.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is too late to protect a read before a write
        for setting in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(_BUSY_TIMEOUT_S * 1000)}"):
            connection.execute(f"PRAGMA {setting}")

    @sql.event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        writes = connection.get_execution_options().get("lanewatch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _is_event(table: sql.Table, run: str, id: str) -> sql.ColumnElement[bool]:
    return sql.and_(table.c.run == run, table.c.id == id)


def _last_position(connection: sql.Connection) -> int:
    return int(connection.execute(sql.select(sql.func.coalesce(sql.func.max(feed.c.position), 0))).scalar_one())


def _append_change(
    connection: sql.Connection, change: str, run: str, id: str, revision: int | None = None, body: str | None = None
) -> int:
    position = _last_position(connection) + 1
    row = sql.insert(feed).values(position=position, what=change, run=run, id=id, revision=revision, body=body)
    connection.execute(row)
    return position


def _show_newest(connection: sql.Connection, event: Event, body: str, position: int) -> None:
    """Makes a revision the one that is shown, unless a newer one is shown."""
    same = _is_event(events, event.run, event.id)
    shown = connection.execute(sql.select(events.c.revision).where(same)).scalar()
    copied = ("revision", "camera", "kind", "zone", "state", "severity")
    row = {name: getattr(event, name) for name in copied} | {"position": position, "body": body}
    if shown is None:
        first = {"run": event.run, "id": event.id, "opened": event.revision, "started_at": event.started_at}
        connection.execute(sql.insert(events).values(**first, **row))
    elif event.revision >= shown:
        connection.execute(sql.update(events).where(same).values(**row))


def _changes_after(connection: sql.Connection, position: int, limit: int) -> list[StoredEvent]:
    joined = feed.join(events, sql.and_(feed.c.run == events.c.run, feed.c.id == events.c.id))
    body = sql.func.coalesce(feed.c.body, events.c.body).label("body")
    query = sql.select(*feed.c["position", "run", "id", "what"], events.c.opened, body).select_from(joined)
    query = query.where(feed.c.position > position).order_by(feed.c.position).limit(limit)
    return _stored_events(connection, connection.execute(query).mappings().all())


def _stored_events(connection: sql.Connection, rows: Sequence[sql.RowMapping]) -> list[StoredEvent]:
    """Rows of events with their evidence and verdicts, which two queries read for all rows."""
    keys = {(row["run"], row["id"]) for row in rows}
    if not keys:
        return []
    evidence_by_key = {
        (row.run, row.id): msgspec.json.decode(row.body, type=Evidence)
        for row in connection.execute(sql.select(evidence).where(_matches_any(evidence, keys)))
    }
    verdicts_by_key = defaultdict(list)
    for row in connection.execute(sql.select(verdicts).where(_matches_any(verdicts, keys)).order_by(verdicts.c.number)):
        verdicts_by_key[row.run, row.id].append(Verdict(row.verdict, row.reason, row.who, row.given_at))
    return [
        StoredEvent(
            position=row["position"],
            event=msgspec.json.decode(row["body"], type=Event),
            opened_at=row["opened"] / 1000,
            evidence=evidence_by_key.get((row["run"], row["id"]), Evidence()),
            verdicts=tuple(verdicts_by_key.get((row["run"], row["id"]), ())),
            change=row["what"],
        )
        for row in rows
    ]


def _matches_any(table: sql.Table, keys: set[tuple[str, str]]) -> sql.ColumnElement[bool]:
    """True for all of the keys and some more, because SQLite does not search an index for pairs."""
    return sql.and_(table.c.run.in_(sorted({run for run, _ in keys})), table.c.id.in_(sorted({id for _, id in keys})))
