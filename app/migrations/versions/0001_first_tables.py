"""First tables; ledger tables refuse UPDATE and DELETE."""

import sqlalchemy as sa
from alembic import op

from app.migrations import append_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


LEDGER = ("leaf", "envelope", "checkpoint")
"""INSERT and SELECT only. `disclosure` may lose rows (erasure) but never changes one."""


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=True),
        sa.Column("region", sa.String(length=6), nullable=True),
        sa.Column("display_zh", sa.String(length=60), nullable=False),
        sa.Column("display_en", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("platform", "name"),
    )
    op.create_table(
        "blacklist_entry",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("decision_number", sa.String(length=60), nullable=True),
        sa.Column("authority", sa.String(length=120), nullable=False),
        sa.Column("listed_on", sa.String(length=10), nullable=True),
        sa.Column("until", sa.String(length=10), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("removed_on", sa.String(length=10), nullable=True),
        sa.Column("removal_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("platform", "entry_id"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "size"),
    )
    op.create_table(
        "containment",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("child", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("from_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parent", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("to_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("platform", "child", "from_leaf"),
    )
    op.create_index("containment_parent", "containment", ["platform", "parent", "to_leaf"], unique=False)
    op.create_table(
        "disclosure",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("access", sa.String(length=12), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index", "position"),
    )
    op.create_table(
        "envelope",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payload_type", sa.String(length=100), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("prev", sa.LargeBinary(length=32), nullable=True),
        sa.Column("rcv_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index"),
        sa.UniqueConstraint("platform", "key_id", "seq", name="envelope_device_seq"),
    )
    op.create_index("envelope_payload", "envelope", ["platform", "payload_hash"], unique=False)
    op.create_table(
        "event",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("event_type", sa.String(length=24), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=True),
        sa.Column("biz_step", sa.String(length=200), nullable=True),
        sa.Column("disposition", sa.String(length=200), nullable=True),
        sa.Column("event_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offset_minutes", sa.Integer(), nullable=False),
        sa.Column("rcv_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("read_point", sa.String(length=400), nullable=True),
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("attested_for", sa.String(length=32), nullable=True),
        sa.Column("celsius_low", sa.Float(), nullable=True),
        sa.Column("celsius_high", sa.Float(), nullable=True),
        sa.Column("celsius_alarm", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index"),
        sa.UniqueConstraint("platform", "event_id", name="event_event_id"),
    )
    op.create_table(
        "head",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("rcv_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("platform"),
    )
    op.create_table(
        "item",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("uri", sa.String(length=400), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=True),
        sa.Column("lot_item", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("produced", sa.String(length=10), nullable=True),
        sa.Column("expiry", sa.String(length=10), nullable=True),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.Column("last_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("platform", "item_id"),
        sa.UniqueConstraint("platform", "uri", name="item_uri"),
    )
    op.create_index("item_lot", "item", ["platform", "lot_item"], unique=False)
    op.create_table(
        "item_hop",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ord", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "item_id", "leaf_index"),
    )
    op.create_table(
        "key",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(length=65), nullable=False),
        sa.Column("issuer", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("registered_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revoked_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("frozen_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("platform", "key_id"),
    )
    op.create_index(op.f("ix_key_issuer"), "key", ["issuer"], unique=False)
    op.create_table(
        "leaf",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("envelope_leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index"),
    )
    op.create_table(
        "party",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.String(length=32), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("name_en", sa.String(length=120), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("licence", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("platform", "pseudonym"),
        sa.UniqueConstraint("platform", "uscc", name="party_uscc"),
    )
    op.create_table(
        "product",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("name_en", sa.String(length=120), nullable=False),
        sa.Column("spec", sa.String(length=60), nullable=False),
        sa.Column("sector", sa.String(length=8), nullable=False),
        sa.Column("maker", sa.String(length=32), nullable=True),
        sa.Column("approval", sa.String(length=40), nullable=True),
        sa.Column("drug_prefix", sa.String(length=7), nullable=True),
        sa.Column("image", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("platform", "gtin"),
        sa.UniqueConstraint("platform", "drug_prefix", name="product_drug_prefix"),
    )
    op.create_table(
        "quarantine",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rcv_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parcel", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "payload_hash", "key_id"),
    )
    op.create_table(
        "region",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("name_zh", sa.String(length=60), nullable=False),
        sa.Column("name_en", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("platform", "code"),
    )
    op.create_table(
        "transformation",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("is_output", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "leaf_index", "item_id", "is_output"),
    )
    op.create_index("transformation_item", "transformation", ["platform", "item_id", "is_output"], unique=False)
    op.create_table(
        "site",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("gln", sa.String(length=13), nullable=False),
        sa.Column("party", sa.String(length=32), nullable=False),
        sa.Column("name_zh", sa.String(length=120), nullable=False),
        sa.Column("name_en", sa.String(length=120), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform", "party"],
            ["party.platform", "party.pseudonym"],
        ),
        sa.PrimaryKeyConstraint("platform", "gln"),
    )
    op.create_table(
        "web_session",
        sa.Column("platform", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.String(length=60), nullable=False),
        sa.Column("created_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("seen_ms", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["platform", "account"], ["account.platform", "account.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("platform", "token_hash"),
    )
    for table in LEDGER:
        append_only.refuse(table, "UPDATE", append_only.LEDGER)
        append_only.refuse(table, "DELETE", append_only.LEDGER)
    append_only.refuse("disclosure", "UPDATE", append_only.LEDGER)


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first tables; a ledger is not taken away")
