"""Alembic's entry: runs on the connection that `app.database` hands over."""

from alembic import context

import app.access.rows  # noqa: F401  (its tables are in the same metadata)
from trace.store.rows import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
