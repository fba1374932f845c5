"""Alembic's entry: runs on the connection that `app.database` hands over."""

from alembic import context

import trace.store.witness_rows  # noqa: F401  (their tables are in the same metadata)
from trace.store.rows import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
