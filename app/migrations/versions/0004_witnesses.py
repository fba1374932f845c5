"""Cosignatures of checkpoints, which refuse UPDATE and DELETE; when witnesses were asked; mirrors."""

import sqlalchemy as sa
from alembic import op

from app.migrations import append_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cosignature",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("witness", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("time_s", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "size", "witness"),
    )
    op.create_table(
        "cosigning",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("asked_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "size"),
    )
    op.create_table(
        "mirror",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("since_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "name"),
    )
    for act in ("UPDATE", "DELETE"):
        append_only.refuse("cosignature", act, append_only.LEDGER)


def downgrade() -> None:
    raise NotImplementedError("what witnesses said must stay known")
