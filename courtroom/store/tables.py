"""The tables, in SQLAlchemy core and in SQL that both SQLite and PostgreSQL speak, and the steps that make them.

Rules
* ``STEPS[n]`` brings a database from schema version n to n + 1; steps are only ever appended. The version stands in
  the table ``schema_version`` and each step runs in the transaction that raises it. A newer database than the
  program knows is refused. A dozen tables do not need Alembic; the day a step must rewrite data it can be called from
  here.
* ``ledger_entries`` takes INSERT only: on SQLite two triggers refuse everything else, whoever asks.
* ``chains`` is the ownership of a hearing: fencing token, newest seq and hash. An append is one conditional UPDATE
  of this row (the compare happens in the database) plus the INSERTs, in one transaction.
* ``shelf`` says of a hearing that everything owed to its record was done when its ledger stood at ``seq``. It holds as
  long as the ledger stands there still: the next append makes it untrue without anybody having to think of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

chains: Final = sa.Table(
    "chains",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),  # order of creation
    sa.Column("hearing", sa.String(64), nullable=False, unique=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("tip", sa.String(64), nullable=False),
)

ledger_entries: Final = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("hearing", sa.String(64), sa.ForeignKey("chains.hearing"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("line", sa.Text, nullable=False),  # the canonical line: what was hashed is what is kept
    sa.UniqueConstraint("hearing", "seq", name="ledger_entries_hearing_seq"),
)

heads: Final = sa.Table(
    "heads",
    metadata,
    sa.Column("hearing", sa.String(64), sa.ForeignKey("chains.hearing"), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
)

seats: Final = sa.Table(
    "seats",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.LargeBinary, nullable=True),  # sealed; NULL = erased
    sa.Column("code", sa.LargeBinary, nullable=True),  # sealed; NULL = erased
    sa.UniqueConstraint("hearing", "seat", name="seats_hearing_seat"),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_hash", sa.String(64), primary_key=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("hearing", "seat", name="sessions_hearing_seat"),  # one device a seat
)

staff_sessions: Final = sa.Table(
    "staff_sessions",
    metadata,
    sa.Column("session_hash", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
)

device_checks: Final = sa.Table(
    "device_checks",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("result", sa.LargeBinary, nullable=False),  # sealed: a device says much about a person
    sa.Index("device_checks_seat", "hearing", "seat", "at"),
)

contacts: Final = sa.Table(
    "contacts",
    metadata,
    sa.Column("hearing", sa.String(64), primary_key=True),
    sa.Column("seat", sa.String(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),  # sealed JSON: e-mail, telephone
)

notice_links: Final = sa.Table(
    "notice_links",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("notice", sa.String(64), nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("read_at", sa.BigInteger, nullable=False),  # 0 = not read yet
)

journals: Final = sa.Table(
    "journals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),  # newest entry that was taken
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("broken", sa.Boolean, nullable=False),
    sa.UniqueConstraint("hearing", "seat", "chain", name="journals_chain"),
)

journal_entries: Final = sa.Table(
    "journal_entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("hearing", sa.String(64), nullable=False),
    sa.Column("seat", sa.String(64), nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),  # sealed JSON lines: an upload as it came
    sa.Index("journal_entries_seat", "hearing", "seat"),
)

attachment_keys: Final = sa.Table(
    "attachment_keys",
    metadata,
    sa.Column("hearing", sa.String(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),  # sealed: the key of this hearing's attachments
)

shelf: Final = sa.Table(
    "shelf",
    metadata,
    sa.Column("hearing", sa.String(64), sa.ForeignKey("chains.hearing"), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),  # where the ledger stood
    sa.Column("sealed", sa.Boolean, nullable=False),
    sa.Column("stamped", sa.Boolean, nullable=False),
    sa.Column("copied", sa.Boolean, nullable=False),
    sa.Column("brief", sa.Text, nullable=False),  # what lists show of it: ids, never a name
)

schema_version: Final = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))


def _first(connection: sa.Connection) -> None:
    for table in (chains, ledger_entries, heads, seats, sessions, staff_sessions, device_checks):
        table.create(connection)
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER ledger_entries_no_{verb.lower()} BEFORE {verb} ON ledger_entries "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )


def _second(connection: sa.Connection) -> None:
    for table in (contacts, notice_links, journals, journal_entries):
        table.create(connection)


def _third(connection: sa.Connection) -> None:
    attachment_keys.create(connection)


def _fourth(connection: sa.Connection) -> None:
    shelf.create(connection)


STEPS: Final[tuple[Callable[[sa.Connection], None], ...]] = (_first, _second, _third, _fourth)


def migrate(connection: sa.Connection) -> None:
    """Brings the schema up to date inside the caller's transaction; ``LookupError`` when it is newer than we are."""
    schema_version.create(connection, checkfirst=True)
    version = connection.execute(sa.select(schema_version.c.version)).scalar()
    if version is None:
        connection.execute(schema_version.insert().values(version=0))
        version = 0
    if version > len(STEPS):
        raise LookupError(f"database has schema {version}, this program knows {len(STEPS)}")
    for number in range(version, len(STEPS)):
        STEPS[number](connection)
        connection.execute(schema_version.update().values(version=number + 1))
