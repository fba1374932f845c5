"""The monitoring door: the log as C2SP clients, mirrors and auditors read it (c2sp.org/tlog-tiles).

Nothing here is of a thing or a party: tiles, entry bundles, single proofs. Only what the newest signed checkpoint
covers is given out. Entry bundles hold commitments alone, and still tell how much each party trades: they are for
registered mirrors, unless the platform opens them.
"""

import hashlib
import hmac
import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from trace.errors import ConflictError, LedgerError, NotFoundError, ValidationError
from trace.ledger.merkle import Nodes
from trace.ledger.policy import Policy
from trace.ledger.tiles import Tile, entry_bundle, hash_tile
from trace.ledger.tlog_proof import TlogProof
from trace.publish import given_out
from trace.store import ledger_rows, witness_rows
from trace.times import from_ms, to_ms

MAX_MIRROR_NAME = 100


def tile(session: Session, platform: int, origin: str, tree: Nodes, wanted: Tile) -> bytes:
    """The bytes of a hash tile. `tree` holds at least the leaves of the newest checkpoint.

    Raises: NotFoundError when the newest checkpoint does not cover it.
    """
    _covered(session, platform, origin, wanted)
    return hash_tile(tree, wanted)


def bundle(session: Session, platform: int, origin: str, wanted: Tile) -> bytes:
    """The bytes of an entry bundle.

    Raises: NotFoundError when the newest checkpoint does not cover it; LedgerError when a leaf is missing.
    """
    _covered(session, platform, origin, wanted)
    leaves = list(ledger_rows.leaves(session, platform, wanted.start, wanted.start + wanted.width))
    if len(leaves) != wanted.width:
        raise LedgerError(f"{wanted.path}: {len(leaves)} leaves are stored, expected {wanted.width}")
    return entry_bundle([leaf.record.encode("utf-8") for leaf in leaves])


def tlog_proof(
    session: Session, platform: int, origin: str, tree: Nodes, index: int, policy: Policy | None, now: datetime
) -> TlogProof:
    """That leaf `index` is in the log.

    Raises: NotFoundError when no checkpoint covers it.
    """
    checkpoint = given_out(session, platform, origin, policy, now, covering=index + 1)
    if checkpoint is None or index >= checkpoint.size:
        size = 0 if checkpoint is None else checkpoint.size
        raise NotFoundError(f"leaf {index}: the newest checkpoint covers {size} leaves")
    return TlogProof(index, tuple(tree.inclusion_path(index, checkpoint.size)), checkpoint.note)


def _covered(session: Session, platform: int, origin: str, wanted: Tile) -> None:
    newest = ledger_rows.newest_checkpoint(session, platform, origin)
    size = 0 if newest is None else newest.size
    if not wanted.within(size):
        raise NotFoundError(f"{wanted.path}: the newest checkpoint covers {size} leaves")


# ---- mirrors ------------------------------------------------------------------------------------


def add_mirror(session: Session, platform: int, name: str, now: datetime) -> str:
    """A token for a new mirror. It is told this once; what is kept is its hash.

    Raises: ValidationError when the name is none; ConflictError when there is such a mirror.
    """
    if not name.strip() or len(name) > MAX_MIRROR_NAME or not name.isprintable():
        raise ValidationError(f"mirror {name[:80]!r}: expected a printable name of 1 to {MAX_MIRROR_NAME} characters")
    if any(mirror.name == name for mirror in witness_rows.mirrors(session, platform)):
        raise ConflictError(f"mirror {name!r}: there is one of this name")
    token = secrets.token_urlsafe(32)
    witness_rows.add_mirror(session, platform, witness_rows.Mirror(name, _hash(token), to_ms(now)))
    return token


def mirrors(session: Session, platform: int) -> list[tuple[str, datetime]]:
    """Names, and since when."""
    return [(mirror.name, from_ms(mirror.since_ms)) for mirror in witness_rows.mirrors(session, platform)]


def remove_mirror(session: Session, platform: int, name: str) -> bool:
    """Whether there was one."""
    return witness_rows.remove_mirror(session, platform, name)


def mirror_of(session: Session, platform: int, token: str) -> str | None:
    """The mirror whose token this is; None for nobody's."""
    told = _hash(token)
    found = None
    for mirror in witness_rows.mirrors(session, platform):
        # All are compared, each in constant time: how long it takes says nothing about how near a guess was.
        if hmac.compare_digest(mirror.token_hash, told):
            found = mirror.name
    return found


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
