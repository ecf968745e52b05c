"""The tables of the journal and the steps from each older schema to this one.

Nothing here is peculiar to SQLite, so that PostgreSQL can hold the same journal. Rows of ``changes`` and ``versions``
are redacted by a purge, never deleted: cursors, replay and the numbering depend on them.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from agentmem.errors import HomeDamaged

SCHEMA_VERSION = 1

metadata = sa.MetaData()
_big = sa.BigInteger().with_variant(sa.Integer, "sqlite")

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("first_seq", _big, nullable=False, index=True),
    sa.Column("last_seq", _big, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("cause", sa.Text),  # the transaction that this one undoes or follows from
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("seq", _big, primary_key=True, autoincrement=False),
    sa.Column("tx", sa.Text, nullable=False, index=True),
    sa.Column("op", sa.Text, nullable=False),
    sa.Column("record_id", sa.Text, nullable=False),
    sa.Column("before_version", _big),  # None: the record did not exist
    sa.Column("before_status", sa.Text),
    sa.Column("after_version", _big),
    sa.Column("after_status", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("cause", sa.Text),  # id of the record whose change brought this one along
    sa.Column("exact_undo", sa.Boolean, nullable=False),
    sa.Column("redacted", sa.Boolean, nullable=False),
    sa.Index("changes_of_record", "record_id", "seq"),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", _big, primary_key=True, autoincrement=False),
    sa.Column("record_id", sa.Text, nullable=False, index=True),
    sa.Column("data", sa.Text),  # JSON of the record's content; None once purged
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version_id", _big),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("thread", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),  # case-folded
    sa.Column("digest", sa.Text),  # of the body, keyed with the home's secret; None once purged
    sa.Column("created_seq", _big, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("last_seq", _big, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
    sa.Index("records_in_order", "created_seq", unique=True),
    sa.Index("records_last", "last_seq", unique=True),
    sa.Index("records_by_place", "thread", "session", "namespace", "created_seq"),
    sa.Index("records_by_namespace", "namespace", "status"),
    sa.Index("records_by_kind", "kind", "status", "created_seq"),
    sa.Index("records_by_subject", "subject", "status"),
    sa.Index("records_by_digest", "digest"),
)

derivations = sa.Table(  # every derivation that ever was, undone and retracted ones included: purge follows it
    "derivations",
    metadata,
    sa.Column("child", sa.Text, primary_key=True),
    sa.Column("parent", sa.Text, primary_key=True),
    sa.Index("derivations_of_parent", "parent"),
)

blob_refs = sa.Table(
    "blob_refs",
    metadata,
    sa.Column("version_id", _big, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
)

touches = sa.Table(  # outside undo and export
    "touches",
    metadata,
    sa.Column("record_id", sa.Text, primary_key=True),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("last_at", sa.Float, nullable=False),
)

set_aside = sa.Table(  # changes that a view could not apply
    "set_aside",
    metadata,
    sa.Column("view", sa.Text, primary_key=True),
    sa.Column("seq", _big, primary_key=True),
    sa.Column("record_id", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

jobs = sa.Table(  # work that must be finished after a crash: the physical half of a purge
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {}
"""From version n to n + 1, run inside the write transaction that also stores the new number."""


def migrate(connection: sa.Connection) -> None:
    """Create the tables in an empty database, or bring an older one up to date."""
    if not sa.inspect(connection).has_table("meta"):
        metadata.create_all(connection)
        connection.execute(meta.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
        return
    found = int(connection.execute(sa.select(meta.c.value).where(meta.c.key == "schema_version")).scalar_one())
    if found > SCHEMA_VERSION:
        raise HomeDamaged(
            f"this home was written by a newer agentmem (schema {found}, this one knows {SCHEMA_VERSION}); "
            "install that version or a later one"
        )
    for version in range(found, SCHEMA_VERSION):
        MIGRATIONS[version](connection)
    if found != SCHEMA_VERSION:
        connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))
