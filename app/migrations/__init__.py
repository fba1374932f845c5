"""Versions of the tables, in order (Alembic). Never batch mode on ledger tables: it would drop their triggers."""
