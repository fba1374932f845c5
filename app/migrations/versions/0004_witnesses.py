"""Cosignatures of checkpoints, which refuse UPDATE and DELETE; when witnesses were asked; mirrors."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
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
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER cosignature_no_{act.lower()} BEFORE {act} ON cosignature "
                f"BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no {act} on cosignature'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION cosignature_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'the ledger is append-only: no % on cosignature', TG_OP; END $$"
        )
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER cosignature_no_{act.lower()} BEFORE {act} ON cosignature "
                "FOR EACH STATEMENT EXECUTE FUNCTION cosignature_stays()"
            )


def downgrade() -> None:
    raise NotImplementedError("what witnesses said must stay known")
