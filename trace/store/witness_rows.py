"""Cosignatures of checkpoints, and the mirrors that may read entries.

ledger    cosignature      INSERT and SELECT only; a trigger says so too
state     cosigning        when the witnesses were first asked about a checkpoint
          mirror           who may read entry bundles
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import LargeBinary, String, Text, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from trace.store.rows import _BIG, Base, CheckpointRow, _Platform

_NEWEST = 64
"""Cosigned checkpoints that are looked at for a quorum: about a minute of them at full load."""


class CosignatureRow(_Platform, Base):
    """What a witness signed. INSERT and SELECT only."""

    __tablename__ = "cosignature"
    size: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    witness: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Key id of the witness's public key (docs/formats.md, section 1): names may be of any length."""
    line: Mapped[str] = mapped_column(Text)
    """Signature line of the note, without LF."""
    time_s: Mapped[int] = mapped_column(_BIG)


class CosigningRow(_Platform, Base):
    """Since when a checkpoint waits for its witnesses."""

    __tablename__ = "cosigning"
    size: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    asked_ms: Mapped[int] = mapped_column(_BIG)


class MirrorRow(_Platform, Base):
    """Who may read entry bundles. The token itself is nowhere."""

    __tablename__ = "mirror"
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    """SHA-256 of the token, which is random: no salt, no slow hash."""
    since_ms: Mapped[int] = mapped_column(_BIG)


@dataclass(frozen=True)
class Mirror:
    name: str
    token_hash: bytes
    since_ms: int


def add_cosignature(session: Session, platform: int, size: int, witness: str, line: str, time_s: int) -> None:
    """Keep what a witness signed; of the same checkpoint the first line stays."""
    if session.get(CosignatureRow, (platform, size, witness)) is None:
        session.add(CosignatureRow(platform=platform, size=size, witness=witness, line=line, time_s=time_s))


def cosignatures(session: Session, platform: int, size: int) -> Mapping[str, str]:
    """Lines over this checkpoint by the key id of the witness, in the order of these."""
    query = select(CosignatureRow.witness, CosignatureRow.line).where(
        CosignatureRow.platform == platform, CosignatureRow.size == size
    )
    return {row.witness: row.line for row in session.execute(query.order_by(CosignatureRow.witness))}


def cosigned_sizes(session: Session, platform: int) -> list[int]:
    """Sizes of the newest checkpoints that somebody cosigned, the newest first."""
    query = select(CosignatureRow.size).where(CosignatureRow.platform == platform).distinct()
    return list(session.scalars(query.order_by(CosignatureRow.size.desc()).limit(_NEWEST)))


def newest_size_of(session: Session, platform: int, witness: str) -> int | None:
    """Leaves of the newest checkpoint that this witness cosigned for us."""
    query = select(CosignatureRow.size).where(CosignatureRow.platform == platform, CosignatureRow.witness == witness)
    return session.scalar(query.order_by(CosignatureRow.size.desc()).limit(1))


def note_of(session: Session, platform: int, size: int) -> tuple[bytes, str] | None:
    """Root and signed note of a checkpoint."""
    row = session.get(CheckpointRow, (platform, size))
    return None if row is None else (row.root, row.note)


def add_asked(session: Session, platform: int, size: int, asked_ms: int) -> None:
    session.add(CosigningRow(platform=platform, size=size, asked_ms=asked_ms))


def asked_ms_after(session: Session, platform: int, size: int) -> int | None:
    """When witnesses were asked about the first checkpoint beyond this size; None when they were about none."""
    query = select(CosigningRow.asked_ms).where(CosigningRow.platform == platform, CosigningRow.size > size)
    return session.scalar(query.order_by(CosigningRow.size).limit(1))


def add_mirror(session: Session, platform: int, mirror: Mirror) -> None:
    session.execute(
        insert(MirrorRow).values(
            platform=platform, name=mirror.name, token_hash=mirror.token_hash, since_ms=mirror.since_ms
        )
    )


def mirrors(session: Session, platform: int) -> list[Mirror]:
    """All, by name."""
    query = select(MirrorRow).where(MirrorRow.platform == platform).order_by(MirrorRow.name)
    return [Mirror(row.name, row.token_hash, row.since_ms) for row in session.scalars(query)]


def remove_mirror(session: Session, platform: int, name: str) -> bool:
    """Whether there was one."""
    gone = session.execute(delete(MirrorRow).where(MirrorRow.platform == platform, MirrorRow.name == name))
    return bool(gone.rowcount)  # type: ignore[attr-defined]
