"""The other kinds of leaves: corrections, steps of cases, and what they leave in the index."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "correction",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", _BIG, nullable=False),
        sa.Column("corrected_leaf", _BIG, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("declared_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index"),
        sa.UniqueConstraint("platform", "corrected_leaf", name="correction_corrected"),
    )
    op.create_table(
        "case_step",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", _BIG, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("case_uri", sa.String(length=400), nullable=False),
        sa.Column("act", sa.String(length=12), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("internal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index"),
    )
    op.create_index("case_step_case", "case_step", ["platform", "case_uri"])
    op.add_column("blacklist_entry", sa.Column("leaf_index", _BIG, nullable=True))
    op.add_column("quarantine", sa.Column("freezes", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back")
