"""Issued codes; batches and serial numbers refuse UPDATE and DELETE, so that nothing is given out twice."""

import sqlalchemy as sa
from alembic import op

from app.migrations import append_only

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "issue_batch",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("batch_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("issued_ms", _BIG, nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("first_number", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("platform", "batch_id"),
    )
    op.create_index("issue_batch_party", "issue_batch", ["platform", "party"], unique=False)
    op.create_index("issue_batch_scope", "issue_batch", ["platform", "scope"], unique=False)
    op.create_table(
        "issue_counter",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("next_number", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "kind", "scope"),
    )
    op.create_table(
        "issued_serial",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("serial", sa.String(length=20), nullable=False),
        sa.Column("batch_id", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "gtin", "serial"),
    )
    for table in ("issue_batch", "issued_serial"):
        for act in ("UPDATE", "DELETE"):
            append_only.refuse(table, act, append_only.ISSUED)


def downgrade() -> None:
    raise NotImplementedError("numbers that were issued must stay known")
