"""The event store: events, verdicts, evidence and the audit in a database, and the order of all changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    and_,
    create_engine,
    func,
    insert,
    literal,
    make_url,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy import event as signals
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


class EventStore:
    """Events, verdicts and the audit in a database that one process writes.

    Every change gets the next ``position`` of the event stream. So a client that knows one position gets all later
    changes, once and in order. Positions are assigned inside the write transaction, under a lock. So they are committed
    in order, which a database's own sequence does not guarantee.

    Args:
        url: A path, or an SQLAlchemy URL (``sqlite:////var/lib/lanewatch/events.db``).

    Raises:
        ValueError: The URL names a database in memory, which threads can't share.
        UnavailableError: The database can't be opened or created.
    """

    def __init__(self, url: str | Path) -> None:
        address = make_url(url if isinstance(url, str) and "://" in url else f"sqlite:///{url}")
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
        """Stores a revision of an event and notifies the listeners.

        Storing the same revision again changes nothing, so at-least-once delivery stores it once. The same revision
        with other content replaces the earlier content, and is a new change. A revision older than the newest one is
        stored, but not shown.

        Returns:
            The revision's position in the event stream.

        Raises:
            UnavailableError: It could not be written; nothing of it is stored.
        """
        began = time.perf_counter()
        body = msgspec.json.encode(event).decode()
        with self._write() as (connection, changes):
            same = and_(_is_event(feed, event.run, event.id), feed.c.revision == event.revision)
            known = connection.execute(select(feed.c.position, feed.c.body).where(same)).first()
            if known is not None:
                if known.body == body:
                    return int(known.position)
                connection.execute(update(feed).where(same).values(revision=None))
            position = _append_change(connection, "event", event.run, event.id, event.revision, body)
            _show_newest(connection, event, body, position)
            changes.append(position)
        metrics.STAGE_SECONDS.labels("store").observe(time.perf_counter() - began)
        return position

    def save_evidence(self, run: str, id: str, found: Evidence) -> None:
        """Stores the state of an event's evidence and notifies the listeners.

        Raises:
            UnavailableError: It could not be written.
        """
        row = {"body": msgspec.json.encode(found).decode(), "settled": found.settled}
        with self._write() as (connection, changes):
            same = _is_event(evidence, run, id)
            if connection.execute(update(evidence).where(same).values(**row)).rowcount == 0:
                connection.execute(insert(evidence).values(run=run, id=id, **row))
            changes.append(_append_change(connection, "evidence", run, id))

    def evidence_of(self, run: str, id: str) -> Evidence:
        """The state of an event's evidence."""
        with self._read() as connection:
            body = connection.execute(select(evidence.c.body).where(_is_event(evidence, run, id))).scalar()
        return Evidence() if body is None else msgspec.json.decode(body, type=Evidence)

    def fail_pending_evidence(self) -> None:
        """Marks evidence as failed if a process that has ended did not finish it.

        The process that writes evidence calls it at its start, when nothing is being written.
        """
        lost = MediaFile("failed", "interrupted")
        with self._write() as (connection, _):
            missing = select(events.c.run, events.c.id).select_from(_events_with_evidence())
            missing = missing.where(evidence.c.id.is_(None))
            body = msgspec.json.encode(Evidence(lost, lost)).decode()
            connection.execute(
                insert(evidence).from_select(
                    ["run", "id", "body", "settled"], missing.add_columns(literal(body), literal(True))
                )
            )
            for row in connection.execute(select(evidence).where(evidence.c.settled.is_(False))).all():
                known = msgspec.json.decode(row.body, type=Evidence)
                ended = Evidence(known.snapshot.interrupted(), known.clip.interrupted())
                body = msgspec.json.encode(ended).decode()
                same = _is_event(evidence, row.run, row.id)
                connection.execute(update(evidence).where(same).values(body=body, settled=True))

    def with_pending_evidence(self) -> list[StoredEvent]:
        """The events with unfinished evidence, the oldest first."""
        query = _select_events().select_from(_events_with_evidence())
        query = query.where(or_(evidence.c.id.is_(None), evidence.c.settled.is_(False)))
        with self._read() as connection:
            return _stored_events(connection, connection.execute(query.order_by(events.c.opened)).mappings().all())

    def add_verdict(self, run: str, id: str, verdict: Verdict) -> None:
        """Adds an operator's verdict to an event and notifies the listeners.

        Raises:
            UnavailableError: It could not be written.
        """
        with self._write() as (connection, changes):
            connection.execute(insert(verdicts).values(run=run, id=id, **asdict(verdict)))
            changes.append(_append_change(connection, "verdict", run, id))

    def record_access(self, record: AccessRecord) -> None:
        """Adds a row to the audit. The store assigns its ``number``.

        Raises:
            UnavailableError: It could not be written.
        """
        row = asdict(record)
        row.pop("number")
        with self._write() as (connection, _):
            connection.execute(insert(audit).values(**row))

    def access_log(self, *, before: int | None = None, limit: int = 100) -> list[AccessRecord]:
        """The audit's rows, the newest first; ``before`` is the last number of the page before."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._read() as connection:
            return [AccessRecord(**row) for row in connection.execute(query).mappings()]

    def event(self, id: str, run: str | None = None) -> StoredEvent | None:
        """An event's newest revision. Without a run: the one of ``PREFERRED_RUN``, else the one stored last."""
        query = _select_events().where(events.c.id == id)
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
        query = _select_events().where(*wanted.conditions())
        query = query.order_by(*(column.desc() for column in key)).limit(limit + 1)
        if cursor is not None:
            query = query.where(tuple_(*key) < tuple_(*map(literal, decode_cursor(cursor))))
        with self._read() as connection:
            position = _last_position(connection)  # read first: a change in between is sent twice, and not lost
            rows = connection.execute(query).mappings().all()
            found = _stored_events(connection, rows[:limit])
        next_cursor = encode_cursor(rows[limit - 1]) if len(rows) > limit else None
        return Page(tuple(found), next_cursor, position)

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
        query = select(events.c.body).where(
            events.c.run == run, events.c.kind == "emergency_bell", events.c.zone == bell
        )
        with self._read() as connection:
            body = connection.execute(query.order_by(events.c.started_at.desc()).limit(1)).scalar()
        return None if body is None else msgspec.json.decode(body, type=Event)

    @contextmanager
    def _write(self) -> Iterator[tuple[Connection, list[int]]]:
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
    def _read(self) -> Iterator[Connection]:
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


def _create_engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name != "sqlite":
        return engine

    @signals.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is too late to protect a read before a write
        for setting in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(_BUSY_TIMEOUT_S * 1000)}"):
            connection.execute(f"PRAGMA {setting}")

    @signals.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("lanewatch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _is_event(table: Table, run: str, id: str) -> ColumnElement[bool]:
    return and_(table.c.run == run, table.c.id == id)


def _events_with_evidence() -> Any:
    return events.outerjoin(evidence, and_(events.c.run == evidence.c.run, events.c.id == evidence.c.id))


def _last_position(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(feed.c.position), 0))).scalar_one())


def _append_change(
    connection: Connection, change: str, run: str, id: str, revision: int | None = None, body: str | None = None
) -> int:
    position = _last_position(connection) + 1
    row = {"position": position, "what": change, "run": run, "id": id, "revision": revision, "body": body}
    connection.execute(insert(feed).values(**row))
    return position


def _show_newest(connection: Connection, event: Event, body: str, position: int) -> None:
    """Makes a revision the one that is shown, unless a newer one is shown."""
    same = _is_event(events, event.run, event.id)
    shown = connection.execute(select(events.c.revision).where(same)).scalar()
    row = {
        "revision": event.revision,
        "position": position,
        "camera": event.camera,
        "kind": event.kind,
        "zone": event.zone,
        "state": event.state,
        "severity": event.severity,
        "body": body,
    }
    if shown is None:
        first = {"run": event.run, "id": event.id, "opened": event.revision, "started_at": event.started_at}
        connection.execute(insert(events).values(**first, **row))
    elif event.revision >= shown:
        connection.execute(update(events).where(same).values(**row))


def _select_events() -> Select[Any]:
    return select(
        events.c.position, events.c.run, events.c.id, events.c.started_at, events.c.opened, events.c.body
    ).add_columns(literal("event").label("what"))


def _changes_after(connection: Connection, position: int, limit: int) -> list[StoredEvent]:
    joined = feed.join(events, and_(feed.c.run == events.c.run, feed.c.id == events.c.id))
    query = (
        select(
            feed.c.position,
            feed.c.run,
            feed.c.id,
            feed.c.what,
            events.c.opened,
            func.coalesce(feed.c.body, events.c.body).label("body"),
        )
        .select_from(joined)
        .where(feed.c.position > position)
        .order_by(feed.c.position)
        .limit(limit)
    )
    return _stored_events(connection, connection.execute(query).mappings().all())


def _stored_events(connection: Connection, rows: Sequence[RowMapping]) -> list[StoredEvent]:
    """Rows of events with their evidence and verdicts, which two queries read for all rows."""
    keys = {(row["run"], row["id"]) for row in rows}
    if not keys:
        return []
    evidence_by_key = {
        (row.run, row.id): msgspec.json.decode(row.body, type=Evidence)
        for row in connection.execute(select(evidence).where(_matches_any(evidence, keys)))
    }
    verdicts_by_key: dict[tuple[str, str], list[Verdict]] = {}
    for row in connection.execute(select(verdicts).where(_matches_any(verdicts, keys)).order_by(verdicts.c.number)):
        verdict = Verdict(row.verdict, row.reason, row.who, row.given_at)
        verdicts_by_key.setdefault((row.run, row.id), []).append(verdict)
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


def _matches_any(table: Table, keys: set[tuple[str, str]]) -> ColumnElement[bool]:
    """True for all of the keys and some more, because SQLite does not search an index for pairs."""
    return and_(table.c.run.in_(sorted({run for run, _ in keys})), table.c.id.in_(sorted({id for _, id in keys})))
