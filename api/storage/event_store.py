"""Where events are kept, and the order in which everyone is told of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    RowMapping,
    Select,
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

from api.serialization import AccessRecord, Evidence, MediaFile, StoredEvent, Verdict
from api.storage.pagination import EventFilter, Page, cursor_of, read_cursor
from api.storage.tables import audit, events, evidence, feed, metadata, verdicts
from lanewatch import metrics
from lanewatch.records import Event
from streams.stages import UnavailableError

PREFERRED_RUN = "live"
"""Where an id is asked for without its run and several runs have it, the live one is meant."""

_BUSY_S = 5.0
"""How long a writer waits for another process that writes to the same SQLite file."""


class EventStore:
    """Events, verdicts and the audit in a database that one process writes.

    Every revision gets the next ``position`` of the feed when it is first stored, so that whoever knows one position
    can be told all that came after it, once and in order. Positions are given inside the write transaction, under a
    lock: they commit in order, which a database's own sequence would not promise.

    Args:
        url: A path, or an SQLAlchemy URL (``sqlite:////var/lib/lanewatch/events.db``).

    Raises:
        ValueError: the URL names a database in memory, which cannot be shared by threads.
        UnavailableError: the database cannot be opened or made.
    """

    def __init__(self, url: str | Path) -> None:
        address = make_url(url if isinstance(url, str) and "://" in url else f"sqlite:///{url}")
        if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
            raise ValueError("the store needs a file: give a path, such as events.db, in place of a database in memory")
        self.url = address.render_as_string(hide_password=True)
        self._engine = _engine(str(address.render_as_string(hide_password=False)))
        self._writer = self._engine.execution_options(lanewatch_writes=True)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[StoredEvent], None]] = []
        with self._guard("opened"):
            metadata.create_all(self._engine)

    def close(self) -> None:
        """Gives the database's connections back."""
        self._engine.dispose()

    def listen(self, listener: Callable[[StoredEvent], None]) -> None:
        """Calls ``listener`` with every entry of the feed after its commit, in order; it must be quick."""
        with self._lock:
            self._listeners.append(listener)

    def upsert(self, event: Event) -> int:
        """Keeps a revision of an event and tells of it.

        The same revision again changes nothing, so at-least-once delivery stores it once. With other content it
        replaces the one before and is told of anew. A revision older than the newest is kept, but not shown.

        Returns:
            The revision's position in the feed.

        Raises:
            UnavailableError: it could not be written; nothing of it is stored.
        """
        began = time.perf_counter()
        body = msgspec.json.encode(event).decode()
        key = (event.run, event.id)
        with self._write() as (connection, told):
            same = and_(feed.c.run == event.run, feed.c.id == event.id, feed.c.revision == event.revision)
            known = connection.execute(select(feed.c.position, feed.c.body).where(same)).first()
            if known is not None:
                if known.body == body:
                    return int(known.position)
                connection.execute(update(feed).where(same).values(revision=None))
            position = _append(connection, "event", key, event.revision, body)
            _show(connection, event, body, position)
            told.append(position)
        metrics.STAGE_SECONDS.labels("store").observe(time.perf_counter() - began)
        return position

    def exhibit(self, run: str, id: str, exhibits: Evidence) -> None:
        """Keeps what there is to see of an event, and tells of it.

        Raises:
            UnavailableError: it could not be written.
        """
        row = {"body": msgspec.json.encode(exhibits).decode(), "settled": exhibits.settled}
        with self._write() as (connection, told):
            here = and_(evidence.c.run == run, evidence.c.id == id)
            if connection.execute(update(evidence).where(here).values(**row)).rowcount == 0:
                connection.execute(insert(evidence).values(run=run, id=id, **row))
            told.append(_append(connection, "evidence", (run, id)))

    def exhibits(self, run: str, id: str) -> Evidence:
        """What there is to see of an event."""
        with self._read() as connection:
            body = connection.execute(
                select(evidence.c.body).where(evidence.c.run == run, evidence.c.id == id)
            ).scalar()
        return Evidence() if body is None else msgspec.json.decode(body, type=Evidence)

    def forsake(self) -> None:
        """Says of the evidence that a process which is no more had still to write that it will not come.

        Called at the start, by whoever writes evidence: nothing then is under way.
        """
        lost = MediaFile("failed", "interrupted")
        with self._write() as (connection, _):
            joined = events.outerjoin(evidence, and_(events.c.run == evidence.c.run, events.c.id == evidence.c.id))
            missing = select(events.c.run, events.c.id).select_from(joined).where(evidence.c.id.is_(None))
            body = msgspec.json.encode(Evidence(lost, lost)).decode()
            connection.execute(
                insert(evidence).from_select(
                    ["run", "id", "body", "settled"], missing.add_columns(literal(body), literal(True))
                )
            )
            for row in connection.execute(select(evidence).where(evidence.c.settled.is_(False))).all():
                known = msgspec.json.decode(row.body, type=Evidence)
                ended = Evidence(known.snapshot.interrupted(), known.clip.interrupted())
                here = and_(evidence.c.run == row.run, evidence.c.id == row.id)
                body = msgspec.json.encode(ended).decode()
                connection.execute(update(evidence).where(here).values(body=body, settled=True))

    def unsettled(self) -> list[StoredEvent]:
        """The events of whose evidence something is still to come, the oldest first."""
        joined = events.outerjoin(evidence, and_(events.c.run == evidence.c.run, events.c.id == evidence.c.id))
        query = _shown().select_from(joined).where(or_(evidence.c.id.is_(None), evidence.c.settled.is_(False)))
        with self._read() as connection:
            return _attach(connection, connection.execute(query.order_by(events.c.opened)).mappings().all())

    def judge(self, run: str, id: str, opinion: Verdict) -> None:
        """Adds what an operator said of an event, and tells of it.

        Raises:
            UnavailableError: it could not be written.
        """
        with self._write() as (connection, told):
            connection.execute(insert(verdicts).values(run=run, id=id, **msgspec.structs.asdict(opinion)))
            told.append(_append(connection, "verdict", (run, id)))

    def looked(self, look: AccessRecord) -> None:
        """Adds a row to the audit; its ``number`` is given here.

        Raises:
            UnavailableError: it could not be written.
        """
        row = msgspec.structs.asdict(look)
        row.pop("number")
        with self._write() as (connection, _):
            connection.execute(insert(audit).values(**row))

    def looks(self, *, before: int | None = None, limit: int = 100) -> list[AccessRecord]:
        """The audit's rows, the newest first; ``before`` is the last number of the page before."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._read() as connection:
            return [AccessRecord(**row) for row in connection.execute(query).mappings()]

    def event(self, id: str, run: str | None = None) -> StoredEvent | None:
        """An event's newest revision. Without a run, the live one's if there is one, else the last that was told."""
        query = _shown().where(events.c.id == id)
        query = query.order_by((events.c.run != PREFERRED_RUN), events.c.position.desc()).limit(1)
        if run is not None:
            query = query.where(events.c.run == run)
        with self._read() as connection:
            found = _attach(connection, connection.execute(query).mappings().all())
        return found[0] if found else None

    def page(self, wanted: EventFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
        """A part of the list of events, the newest start first, from after ``cursor`` on.

        The cursor is a place in the list and not a count, so events that come in between shift nothing: an event
        that was there all along is on exactly one page.

        Raises:
            CursorError: the cursor is none that this store gave.
        """
        key = (events.c.started_at, events.c.run, events.c.id)
        query = _shown().where(*wanted.conditions())
        query = query.order_by(*(column.desc() for column in key)).limit(limit + 1)
        if cursor is not None:
            query = query.where(tuple_(*key) < tuple_(*map(literal, read_cursor(cursor))))
        with self._read() as connection:
            position = _last(connection)  # first: what comes between the two is then told twice, and not never
            rows = connection.execute(query).mappings().all()
            found = _attach(connection, rows[:limit])
        more = cursor_of(rows[limit - 1]) if len(rows) > limit else None
        return Page(tuple(found), more, position)

    def since(self, position: int, limit: int = 100) -> list[StoredEvent]:
        """The feed's entries after ``position``, in order, each with the event's evidence and verdicts of now."""
        with self._read() as connection:
            return _since(connection, position, limit)

    def position(self) -> int:
        """That of the feed's last entry; 0 where there is none."""
        with self._read() as connection:
            return _last(connection)

    def bell(self, run: str, bell: str) -> Event | None:
        """The last event of an emergency bell."""
        query = select(events.c.body).where(
            events.c.run == run, events.c.kind == "emergency_bell", events.c.zone == bell
        )
        with self._read() as connection:
            body = connection.execute(query.order_by(events.c.started_at.desc()).limit(1)).scalar()
        return None if body is None else msgspec.json.decode(body, type=Event)

    @contextmanager
    def _write(self) -> Iterator[tuple[Connection, list[int]]]:
        told: list[int] = []
        with self._lock, self._guard("written"):
            with self._writer.begin() as connection:
                yield connection, told
                entries = [entry for position in told for entry in _since(connection, position - 1, 1)]
            for entry in entries:
                for listener in self._listeners:
                    listener(entry)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._guard("read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _guard(self, done: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise UnavailableError(
                f"{self.url} could not be {done}: {cause}. What was stored before is safe. "
                "Make room on its disk, or see that it can be reached and written; then it is tried again."
            ) from error


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name != "sqlite":
        return engine

    @signals.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late to guard what is read before a write
        for setting in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(_BUSY_S * 1000)}"):
            connection.execute(f"PRAGMA {setting}")

    @signals.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("lanewatch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _last(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(feed.c.position), 0))).scalar_one())


def _append(
    connection: Connection, what: str, key: tuple[str, str], revision: int | None = None, body: str | None = None
) -> int:
    position = _last(connection) + 1
    row = {"position": position, "what": what, "run": key[0], "id": key[1], "revision": revision, "body": body}
    connection.execute(insert(feed).values(**row))
    return position


def _show(connection: Connection, event: Event, body: str, position: int) -> None:
    here = and_(events.c.run == event.run, events.c.id == event.id)
    shown = connection.execute(select(events.c.revision).where(here)).scalar()
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
        connection.execute(update(events).where(here).values(**row))


def _shown() -> Select[Any]:
    return select(
        events.c.position, events.c.run, events.c.id, events.c.started_at, events.c.opened, events.c.body
    ).add_columns(literal("event").label("what"))


def _since(connection: Connection, position: int, limit: int) -> list[StoredEvent]:
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
    return _attach(connection, connection.execute(query).mappings().all())


def _attach(connection: Connection, rows: Sequence[RowMapping]) -> list[StoredEvent]:
    """Rows of events with their evidence and verdicts, by two queries however many there are."""
    keys = {(row["run"], row["id"]) for row in rows}
    if not keys:
        return []
    exhibits = {
        (row.run, row.id): msgspec.json.decode(row.body, type=Evidence)
        for row in connection.execute(select(evidence).where(_among(evidence, keys)))
    }
    opinions: dict[tuple[str, str], list[Verdict]] = {}
    for row in connection.execute(select(verdicts).where(_among(verdicts, keys)).order_by(verdicts.c.number)):
        opinion = Verdict(row.verdict, row.reason, row.who, row.given_at)
        opinions.setdefault((row.run, row.id), []).append(opinion)
    return [
        StoredEvent(
            position=row["position"],
            event=msgspec.json.decode(row["body"], type=Event),
            opened_at=row["opened"] / 1000,
            evidence=exhibits.get((row["run"], row["id"]), Evidence()),
            verdicts=tuple(opinions.get((row["run"], row["id"]), ())),
            what=row["what"],
        )
        for row in rows
    ]


def _among(table: Any, keys: set[tuple[str, str]]) -> Any:
    """Holds for all of the keys and some more, since SQLite does not look pairs up in an index."""
    return and_(table.c.run.in_(sorted({run for run, _ in keys})), table.c.id.in_(sorted({id for _, id in keys})))
