"""The tables. Rows stay in `trace/store`: functions here take and give the dataclasses of the core.

Every primary key starts with `platform`: one deployment is one platform and one log, and no query walks across.

ledger    leaf, envelope, checkpoint           INSERT and SELECT only; triggers and grants say so too
          quarantine                           parcels that contradict another: evidence, likewise
          disclosure                           likewise, but a text may be emptied (erasure)
waiting   pending                              parcels on their way to the `work` process, PostgreSQL only
state     head, key                            moved by the sequencer alone, in the append's transaction
index     item, item_hop, event, containment, transformation,     can be recomputed from the ledger
          correction, case_step
master    region, party, site, product, blacklist_entry
issued    issue_batch, issued_serial            INSERT and SELECT only, so that no number is ever given out twice
          issue_counter                         moved in the transaction that issues
"""

from sqlalchemy import BigInteger, Boolean, Float, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """One metadata for all tables; Alembic compares against it."""


class _Platform:
    # First in every table and primary key; a mixin's columns would come last.
    platform: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-1)


# ---- ledger -------------------------------------------------------------------------------------


class LeafRow(_Platform, Base):
    """One record of the log."""

    __tablename__ = "leaf"
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    record: Mapped[str] = mapped_column(Text)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    envelope_leaf: Mapped[int] = mapped_column(_BIG)
    """Leaf index of the envelope's first part."""


class EnvelopeRow(_Platform, Base):
    """What was signed, byte for byte."""

    __tablename__ = "envelope"
    __table_args__ = (Unique("platform", "key_id", "seq", name="envelope_device_seq"),)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    payload_type: Mapped[str] = mapped_column(String(100))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(String(64))
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    payload_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    seq: Mapped[int] = mapped_column(_BIG)
    prev: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    rcv_ms: Mapped[int] = mapped_column(_BIG)


class DisclosureRow(_Platform, Base):
    """A disclosure of an envelope, as long as it may be kept."""

    __tablename__ = "disclosure"
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Place of its digest among those of the payload, see `digests`."""
    access: Mapped[str] = mapped_column(String(12))
    text: Mapped[str] = mapped_column(Text)


class CheckpointRow(_Platform, Base):
    """A signed tree head."""

    __tablename__ = "checkpoint"
    size: Mapped[int] = mapped_column(_BIG, primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    note: Mapped[str] = mapped_column(Text)


# ---- state --------------------------------------------------------------------------------------


class HeadRow(_Platform, Base):
    """The log's head: moved by compare-and-swap on `size`."""

    __tablename__ = "head"
    origin: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(_BIG)
    root: Mapped[bytes] = mapped_column(LargeBinary(32))
    rcv_ms: Mapped[int] = mapped_column(_BIG)


class KeyRow(_Platform, Base):
    """A registered key and its state."""

    __tablename__ = "key"
    key_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    algorithm: Mapped[int] = mapped_column(Integer)
    raw: Mapped[bytes] = mapped_column(LargeBinary(65))
    issuer: Mapped[str] = mapped_column(String(32), index=True)
    role: Mapped[str] = mapped_column(String(12))
    registered_leaf: Mapped[int] = mapped_column(_BIG)
    revoked_leaf: Mapped[int | None] = mapped_column(_BIG)
    frozen_ms: Mapped[int | None] = mapped_column(_BIG)
    """Set when the key was seen in two places; the signer has to be looked at."""


# ---- index --------------------------------------------------------------------------------------


class ItemRow(_Platform, Base):
    """A thing with a hop chain: EPC, lot, container. URIs are interned here."""

    __tablename__ = "item"
    __table_args__ = (Unique("platform", "uri", name="item_uri"), Index("item_lot", "platform", "lot_item"))
    item_id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    uri: Mapped[str] = mapped_column(String(400))
    gtin: Mapped[str | None] = mapped_column(String(14))
    lot_item: Mapped[int | None] = mapped_column(_BIG)
    """The item that stands for this thing's lot."""
    produced: Mapped[str | None] = mapped_column(String(10))
    expiry: Mapped[str | None] = mapped_column(String(10))
    hops: Mapped[int] = mapped_column(Integer)
    last_leaf: Mapped[int] = mapped_column(_BIG)


class ItemHopRow(_Platform, Base):
    """Which leaf line is which hop of which thing."""

    __tablename__ = "item_hop"
    item_id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    ord: Mapped[int] = mapped_column(Integer)


class EventRow(_Platform, Base):
    """An event as captured, and what is asked about it."""

    __tablename__ = "event"
    __table_args__ = (Unique("platform", "event_id", name="event_event_id"),)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(200))
    event_type: Mapped[str] = mapped_column(String(24))
    action: Mapped[str | None] = mapped_column(String(8))
    biz_step: Mapped[str | None] = mapped_column(String(200))
    disposition: Mapped[str | None] = mapped_column(String(200))
    event_ms: Mapped[int] = mapped_column(_BIG)
    offset_minutes: Mapped[int] = mapped_column(Integer)
    rcv_ms: Mapped[int] = mapped_column(_BIG)
    read_point: Mapped[str | None] = mapped_column(String(400))
    issuer: Mapped[str] = mapped_column(String(32))
    attested_for: Mapped[str | None] = mapped_column(String(32))
    celsius_low: Mapped[float | None] = mapped_column(Float)
    celsius_high: Mapped[float | None] = mapped_column(Float)
    celsius_alarm: Mapped[bool] = mapped_column(Boolean)
    late: Mapped[bool] = mapped_column(Boolean)
    """It came after a later payload of its device."""
    body: Mapped[str] = mapped_column(Text)
    """The event, RFC 8785."""


class ContainmentRow(_Platform, Base):
    """A thing was inside another from one leaf to another."""

    __tablename__ = "containment"
    __table_args__ = (Index("containment_parent", "platform", "parent", "to_leaf"),)
    child: Mapped[int] = mapped_column(_BIG, primary_key=True)
    from_leaf: Mapped[int] = mapped_column(_BIG, primary_key=True)
    parent: Mapped[int] = mapped_column(_BIG)
    to_leaf: Mapped[int | None] = mapped_column(_BIG)


class TransformationRow(_Platform, Base):
    """A thing went into a transformation or came out of it. The event is the node: N + M rows, never N x M."""

    __tablename__ = "transformation"
    __table_args__ = (Index("transformation_item", "platform", "item_id", "is_output"),)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    item_id: Mapped[int] = mapped_column(_BIG, primary_key=True)
    is_output: Mapped[bool] = mapped_column(Boolean, primary_key=True)


class CorrectionRow(_Platform, Base):
    """An event was declared to be an error. Both stay; the index forgets what the event said of other things."""

    __tablename__ = "correction"
    __table_args__ = (Unique("platform", "corrected_leaf", name="correction_corrected"),)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    corrected_leaf: Mapped[int] = mapped_column(_BIG)
    reason: Mapped[str | None] = mapped_column(String(200))
    declared_ms: Mapped[int] = mapped_column(_BIG)


class CaseStepRow(_Platform, Base):
    """One act in a case that a regulator opened: recall, blacklist, decision."""

    __tablename__ = "case_step"
    __table_args__ = (Index("case_step_case", "platform", "case_uri"),)
    leaf_index: Mapped[int] = mapped_column(_BIG, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    case_uri: Mapped[str] = mapped_column(String(400))
    act: Mapped[str] = mapped_column(String(12))
    approved_by: Mapped[str] = mapped_column(Text)
    """Pseudonyms, one a line."""
    public: Mapped[str] = mapped_column(Text)
    """Members for everybody, RFC 8785."""
    internal: Mapped[str] = mapped_column(Text)


class QuarantineRow(_Platform, Base):
    """A parcel with a good signature that contradicts another of the same device. Kept as evidence."""

    __tablename__ = "quarantine"
    payload_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(_BIG)
    rcv_ms: Mapped[int] = mapped_column(_BIG)
    reason: Mapped[str] = mapped_column(Text)
    parcel: Mapped[bytes] = mapped_column(LargeBinary)
    freezes: Mapped[bool] = mapped_column(Boolean)
    """The device contradicts itself. Else it contradicts the log, and the log may be what is wrong."""


class PendingRow(_Platform, Base):
    """A checked parcel that a web process has put down for the `work` process, and its answer. PostgreSQL only."""

    __tablename__ = "pending"
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Random, so that nobody reads these in an order: numbers would be committed out of it."""
    key_id: Mapped[str] = mapped_column(String(64))
    parcel: Mapped[bytes] = mapped_column(LargeBinary)
    asked_us: Mapped[int] = mapped_column(_BIG)
    """Unix microseconds: who asked first is first, within one batch too. No cursor ever moves along it."""
    outcome: Mapped[str | None] = mapped_column(Text)
    """JSON of the receipt or the refusal; none until then."""


# ---- master data --------------------------------------------------------------------------------


class RegionRow(_Platform, Base):
    """An administrative region, GB/T 2260."""

    __tablename__ = "region"
    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name_zh: Mapped[str] = mapped_column(String(60))
    name_en: Mapped[str] = mapped_column(String(60))


class PartyRow(_Platform, Base):
    """An enterprise, a regulator, a laboratory, or the platform itself."""

    __tablename__ = "party"
    __table_args__ = (Unique("platform", "uscc", name="party_uscc"),)
    pseudonym: Mapped[str] = mapped_column(String(32), primary_key=True)
    uscc: Mapped[str] = mapped_column(String(18))
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(120))
    region: Mapped[str] = mapped_column(String(6))
    licence: Mapped[str | None] = mapped_column(String(20))


class SiteRow(_Platform, Base):
    """A place of a party, by GLN."""

    __tablename__ = "site"
    __table_args__ = (ForeignKeyConstraint(("platform", "party"), ("party.platform", "party.pseudonym")),)
    gln: Mapped[str] = mapped_column(String(13), primary_key=True)
    party: Mapped[str] = mapped_column(String(32))
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(120))
    region: Mapped[str] = mapped_column(String(6))


class ProductRow(_Platform, Base):
    """A trade item."""

    __tablename__ = "product"
    __table_args__ = (Unique("platform", "drug_prefix", name="product_drug_prefix"),)
    gtin: Mapped[str] = mapped_column(String(14), primary_key=True)
    name_zh: Mapped[str] = mapped_column(String(120))
    name_en: Mapped[str] = mapped_column(String(120))
    spec: Mapped[str] = mapped_column(String(60))
    sector: Mapped[str] = mapped_column(String(8))
    maker: Mapped[str | None] = mapped_column(String(32))
    approval: Mapped[str | None] = mapped_column(String(40))
    drug_prefix: Mapped[str | None] = mapped_column(String(7))
    """The seven digits in front of its 20-digit trace codes."""
    image: Mapped[str | None] = mapped_column(String(16))


class BlacklistRow(_Platform, Base):
    """An entry of the serious violations list. What the law asks for cannot be missing."""

    __tablename__ = "blacklist_entry"
    entry_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(120))
    uscc: Mapped[str] = mapped_column(String(18))
    category: Mapped[str] = mapped_column(String(20))
    region: Mapped[str] = mapped_column(String(6))
    ground: Mapped[str] = mapped_column(Text)
    basis: Mapped[str] = mapped_column(Text)
    decision_number: Mapped[str | None] = mapped_column(String(60))
    authority: Mapped[str] = mapped_column(String(120))
    listed_on: Mapped[str | None] = mapped_column(String(10))
    until: Mapped[str | None] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(12))
    """`hearing`, `listed`, `repaired`; expiry is a matter of the date, not of a stored word."""
    removed_on: Mapped[str | None] = mapped_column(String(10))
    removal_reason: Mapped[str | None] = mapped_column(Text)
    leaf_index: Mapped[int | None] = mapped_column(_BIG)
    """The newest step of its case on the ledger."""


# ---- issued codes -------------------------------------------------------------------------------


class IssueBatchRow(_Platform, Base):
    """What was given out in one go: to whom, when, how many. INSERT and SELECT only."""

    __tablename__ = "issue_batch"
    __table_args__ = (Index("issue_batch_party", "platform", "party"), Index("issue_batch_scope", "platform", "scope"))
    batch_id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    """`serial`, `sscc`, `lot`."""
    scope: Mapped[str] = mapped_column(String(40))
    """Inside what its numbers are unique: GTIN, company prefix, or GTIN with day and line."""
    party: Mapped[str] = mapped_column(String(32))
    issued_ms: Mapped[int] = mapped_column(_BIG)
    amount: Mapped[int] = mapped_column(Integer)
    first_number: Mapped[int | None] = mapped_column(_BIG)
    """Of what is counted: the batch is this number and the `amount - 1` behind it."""


class IssuedSerialRow(_Platform, Base):
    """A random serial number that is taken for ever. INSERT and SELECT only."""

    __tablename__ = "issued_serial"
    gtin: Mapped[str] = mapped_column(String(14), primary_key=True)
    serial: Mapped[str] = mapped_column(String(20), primary_key=True)
    batch_id: Mapped[int] = mapped_column(_BIG)


class IssueCounterRow(_Platform, Base):
    """The next number of a count. One row a count, moved in the transaction that gives the number out: no gaps."""

    __tablename__ = "issue_counter"
    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    scope: Mapped[str] = mapped_column(String(40), primary_key=True)
    next_number: Mapped[int] = mapped_column(_BIG)
