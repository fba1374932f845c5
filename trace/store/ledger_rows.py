"""Reading the ledger's tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy import text as statement
from sqlalchemy.orm import Session

from trace.errors import LedgerError, NotFoundError
from trace.ledger.checkpoint import Checkpoint
from trace.ledger.disclosure import Access
from trace.ledger.envelope import Envelope
from trace.ledger.keys import Algorithm, PublicKey
from trace.store.rows import CheckpointRow, DisclosureRow, EnvelopeRow, HeadRow, KeyRow, LeafRow, QuarantineRow


@dataclass(frozen=True)
class LogHead:
    """The committed head of the log."""

    origin: str
    size: int
    root: bytes
    rcv_ms: int


@dataclass(frozen=True)
class KeyState:
    """A registered key as it stands now."""

    key: PublicKey
    issuer: str
    role: str
    registered_leaf: int
    revoked_leaf: int | None
    frozen_ms: int | None


@dataclass(frozen=True)
class StoredLeaf:
    """A leaf as stored; `audit` looks whether the two agree."""

    index: int
    record: str
    leaf_hash: bytes
    envelope_leaf: int


@dataclass(frozen=True)
class StoredEnvelope:
    """An envelope as stored."""

    leaf_index: int
    envelope: Envelope
    payload_hash: bytes
    seq: int
    prev: bytes | None
    rcv_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device's payload stands in the log, and what its neighbours in the chain have to agree with."""

    seq: int
    leaf_index: int
    """Of the envelope's first part."""
    payload_hash: bytes
    prev: bytes | None


@dataclass(frozen=True)
class Gap:
    """Sequence numbers of a device that were used and never came: first and last, both missing."""

    first: int
    last: int


@dataclass(frozen=True)
class StoredDisclosure:
    """A disclosure as stored."""

    position: int
    access: str
    text: str


@dataclass(frozen=True)
class Stray:
    """A row that belongs to no leaf."""

    table: str
    number: int
    """Leaf index; of a checkpoint or head its size."""


def head(session: Session, platform: int) -> LogHead | None:
    row = session.get(HeadRow, platform)
    return None if row is None else LogHead(row.origin, row.size, row.root, row.rcv_ms)


def leaf_hashes(session: Session, platform: int, start: int, end: int) -> list[bytes]:
    """Stored leaf hashes of [start, end)."""
    query = (
        select(LeafRow.leaf_hash)
        .where(LeafRow.platform == platform, LeafRow.leaf_index >= start, LeafRow.leaf_index < end)
        .order_by(LeafRow.leaf_index)
    )
    return list(session.scalars(query))


def leaves(session: Session, platform: int, start: int = 0, end: int | None = None) -> Iterator[StoredLeaf]:
    """Leaves of [start, end) in order, a thousand at a time."""
    query = (
        select(LeafRow.leaf_index, LeafRow.record, LeafRow.leaf_hash, LeafRow.envelope_leaf)
        .where(LeafRow.platform == platform, LeafRow.leaf_index >= start)
        .order_by(LeafRow.leaf_index)
        .execution_options(yield_per=1000)
    )
    if end is not None:
        query = query.where(LeafRow.leaf_index < end)
    for row in session.execute(query):
        yield StoredLeaf(*row)


def leaves_at(session: Session, platform: int, indexes: list[int]) -> dict[int, StoredLeaf]:
    query = select(LeafRow.leaf_index, LeafRow.record, LeafRow.leaf_hash, LeafRow.envelope_leaf).where(
        LeafRow.platform == platform, LeafRow.leaf_index.in_(indexes)
    )
    return {row[0]: StoredLeaf(*row) for row in session.execute(query)}


_ENVELOPE = (
    EnvelopeRow.leaf_index,
    EnvelopeRow.payload_type,
    EnvelopeRow.payload,
    EnvelopeRow.key_id,
    EnvelopeRow.signature,
    EnvelopeRow.payload_hash,
    EnvelopeRow.seq,
    EnvelopeRow.prev,
    EnvelopeRow.rcv_ms,
)


def envelopes_at(session: Session, platform: int, indexes: list[int]) -> dict[int, StoredEnvelope]:
    """By the leaf index of their first part."""
    query = select(*_ENVELOPE).where(EnvelopeRow.platform == platform, EnvelopeRow.leaf_index.in_(indexes))
    return {row[0]: _envelope(row) for row in session.execute(query)}


def arrivals_of_device(session: Session, platform: int, key_id: str) -> Iterator[tuple[int, int, int]]:
    """Sequence number, leaf index and receipt time of a device's payloads, in log order."""
    query = (
        select(EnvelopeRow.seq, EnvelopeRow.leaf_index, EnvelopeRow.rcv_ms)
        .where(EnvelopeRow.platform == platform, EnvelopeRow.key_id == key_id)
        .order_by(EnvelopeRow.leaf_index)
        .execution_options(yield_per=1000)
    )
    for row in session.execute(query):
        yield row[0], row[1], row[2]


def gaps_of_device(session: Session, platform: int, key_id: str) -> list[Gap]:
    """What is missing in the device's chain below its highest sequence number, in order."""
    before = func.lag(EnvelopeRow.seq, 1, 0).over(order_by=EnvelopeRow.seq)
    chain = (
        select(EnvelopeRow.seq.label("seq"), before.label("before"))
        .where(EnvelopeRow.platform == platform, EnvelopeRow.key_id == key_id)
        .subquery()
    )
    query = select(chain.c.before + 1, chain.c.seq - 1).where(chain.c.seq > chain.c.before + 1).order_by(chain.c.seq)
    return [Gap(*row) for row in session.execute(query)]


def last_of_device(session: Session, platform: int, key_id: str) -> tuple[int, bytes | None]:
    """The device's highest sequence number here and the payload hash that carried it; (0, None) for none."""
    query = (
        select(EnvelopeRow.seq, EnvelopeRow.payload_hash)
        .where(EnvelopeRow.platform == platform, EnvelopeRow.key_id == key_id)
        .order_by(EnvelopeRow.seq.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return (0, None) if row is None else (row[0], row[1])


def disclosures_of(
    session: Session, platform: int, indexes: list[int], access: tuple[Access, ...] | None = None
) -> dict[int, list[str]]:
    """Disclosure texts by leaf index, in their order; `access` keeps only these classes."""
    query = (
        select(DisclosureRow.leaf_index, DisclosureRow.text)
        .where(DisclosureRow.platform == platform, DisclosureRow.leaf_index.in_(indexes), DisclosureRow.text != "")
        .order_by(DisclosureRow.leaf_index, DisclosureRow.position)
    )
    if access is not None:
        query = query.where(DisclosureRow.access.in_([str(each) for each in access]))
    found: dict[int, list[str]] = {}
    for leaf_index, text in session.execute(query):
        found.setdefault(leaf_index, []).append(text)
    return found


def stored_disclosures(session: Session, platform: int, indexes: list[int]) -> dict[int, list[StoredDisclosure]]:
    """By leaf index, in their order, with all columns."""
    query = (
        select(DisclosureRow.leaf_index, DisclosureRow.position, DisclosureRow.access, DisclosureRow.text)
        .where(DisclosureRow.platform == platform, DisclosureRow.leaf_index.in_(indexes), DisclosureRow.text != "")
        .order_by(DisclosureRow.leaf_index, DisclosureRow.position)
    )
    found: dict[int, list[StoredDisclosure]] = {}
    for leaf_index, position, access, text in session.execute(query):
        found.setdefault(leaf_index, []).append(StoredDisclosure(position, access, text))
    return found


def strays(session: Session, platform: int) -> list[Stray]:
    """Rows that no leaf of this log accounts for. One database holds one log, so another platform's are strays too."""
    leaf_indexes = select(LeafRow.leaf_index).where(LeafRow.platform == platform)
    first_parts = select(LeafRow.envelope_leaf).where(LeafRow.platform == platform)
    lost = {
        "leaf": (LeafRow.leaf_index, LeafRow.platform != platform),
        "envelope": (
            EnvelopeRow.leaf_index,
            or_(EnvelopeRow.platform != platform, EnvelopeRow.leaf_index.not_in(first_parts)),
        ),
        "disclosure": (
            DisclosureRow.leaf_index,
            or_(DisclosureRow.platform != platform, DisclosureRow.leaf_index.not_in(leaf_indexes)),
        ),
        "checkpoint": (CheckpointRow.size, CheckpointRow.platform != platform),
        "head": (HeadRow.size, HeadRow.platform != platform),
        "key": (KeyRow.registered_leaf, KeyRow.platform != platform),
    }
    return [
        Stray(table, number)
        for table, (column, is_lost) in lost.items()
        for number in session.scalars(select(column).where(is_lost).distinct().order_by(column))
    ]


def quarantined(session: Session, platform: int, key_id: str) -> list[bytes]:
    """Parcels of a key that contradict another or the log, in the order they came."""
    query = (
        select(QuarantineRow.parcel)
        .where(QuarantineRow.platform == platform, QuarantineRow.key_id == key_id)
        .order_by(QuarantineRow.rcv_ms, QuarantineRow.seq)
    )
    return list(session.scalars(query))


def frozen_since(session: Session, platform: int) -> dict[str, int]:
    """Key id to the receipt of its first quarantined parcel, in milliseconds."""
    query = (
        select(QuarantineRow.key_id, func.min(QuarantineRow.rcv_ms))
        .where(QuarantineRow.platform == platform, QuarantineRow.freezes.is_(True))
        .group_by(QuarantineRow.key_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def keys(session: Session, platform: int) -> dict[str, KeyState]:
    """All registered keys by key id."""
    return {row.key_id: _key(row) for row in session.scalars(select(KeyRow).where(KeyRow.platform == platform))}


def key(session: Session, platform: int, key_id: str) -> KeyState | None:
    row = session.get(KeyRow, (platform, key_id))
    return None if row is None else _key(row)


def newest_checkpoint(session: Session, platform: int, origin: str) -> Checkpoint | None:
    row = session.scalars(
        select(CheckpointRow).where(CheckpointRow.platform == platform).order_by(CheckpointRow.size.desc()).limit(1)
    ).first()
    return None if row is None else Checkpoint(origin, row.size, row.root, row.note)


def add_checkpoint(session: Session, platform: int, checkpoint: Checkpoint) -> None:
    session.add(
        CheckpointRow(
            platform=platform,
            size=checkpoint.size,
            root=checkpoint.root,
            note=checkpoint.note,
        )
    )


def checkpoints(session: Session, platform: int, origin: str) -> list[Checkpoint]:
    """All, oldest first."""
    query = select(CheckpointRow).where(CheckpointRow.platform == platform).order_by(CheckpointRow.size)
    return [Checkpoint(origin, row.size, row.root, row.note) for row in session.scalars(query)]


def contradictions(session: Session) -> list[str]:
    """Where SQLite's tables and indexes do not hold the same: a row may then read differently by another way.

    Of PostgreSQL nothing: its data checksums and `amcheck` are the administrator's.
    """
    if session.get_bind().dialect.name != "sqlite":
        return []
    found = session.scalars(statement("PRAGMA integrity_check(20)"))
    return [line for line in found if line != "ok"]


def require_head(session: Session, platform: int) -> LogHead:
    """Raises: NotFoundError when there is no log yet."""
    found = head(session, platform)
    if found is None:
        raise NotFoundError("there is no log here yet")
    return found


def _envelope(row: Any) -> StoredEnvelope:
    leaf_index, payload_type, payload, key_id, signature, payload_hash, seq, prev, rcv_ms = row
    return StoredEnvelope(
        leaf_index, Envelope(payload_type, payload, key_id, signature), payload_hash, seq, prev, rcv_ms
    )


def _key(row: KeyRow) -> KeyState:
    try:
        algorithm = Algorithm(row.algorithm)
    except ValueError as error:
        raise LedgerError(f"key {row.key_id[:16]}…: stored with algorithm byte {row.algorithm}; run audit") from error
    return KeyState(
        PublicKey(algorithm, row.raw),
        row.issuer,
        row.role,
        row.registered_leaf,
        row.revoked_leaf,
        row.frozen_ms,
    )
