"""What the sequencer needs: late events, parcels that wait on PostgreSQL; the evidence of forks stays; erasing empties.

The index over payload hashes goes: a payload says its own device and sequence number, and those have an index.
"""

import sqlalchemy as sa
from alembic import op

from app.migrations import append_only

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.drop_index("envelope_payload", "envelope")
    op.add_column("event", sa.Column("late", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        """
        UPDATE event SET late = (
            SELECT EXISTS (
                SELECT 1 FROM envelope AS own JOIN envelope AS later
                ON later.platform = own.platform AND later.key_id = own.key_id AND later.seq > own.seq
                WHERE own.platform = event.platform AND own.leaf_index = event.leaf_index
                AND later.leaf_index < own.leaf_index))
        """
    )
    op.create_table(
        "pending",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("parcel", sa.LargeBinary(), nullable=False),
        sa.Column("asked_us", _BIG, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "token"),
    )
    for act in ("UPDATE", "DELETE"):
        append_only.refuse("quarantine", act, append_only.LEDGER)
    append_only.allow_again("disclosure", "UPDATE")
    append_only.refuse_but_erasing("disclosure")
    append_only.refuse("disclosure", "DELETE", append_only.LEDGER)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken back")
