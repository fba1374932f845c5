"""The publishing door: a committed head becomes a signed checkpoint.

Order is the design: read the new leaves back from the database, hash them again, compare with the committed head, and
only then sign. A bit that flipped between hashing and storing is found before anybody relies on it.
"""

import logging

from sqlalchemy.orm import Session

from trace.errors import LedgerError
from trace.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from trace.ledger.keys import SigningKey
from trace.ledger.leaf import record_hash
from trace.ledger.merkle import Tree
from trace.store import ledger_rows

logger = logging.getLogger(__name__)


class Publisher:
    """Signs heads of one log. Owns a tree of its own, built only from what was read back."""

    def __init__(self, platform: int, log_key: SigningKey) -> None:
        self._platform = platform
        self._key = log_key
        self._tree = Tree()

    def publish(self, session: Session) -> Checkpoint | None:
        """Sign the newest committed head; None when it is signed already. The caller commits.

        Raises: LedgerError when what is stored does not give the head, or a signed head is ahead of the stored one.
        """
        head = ledger_rows.head(session, self._platform)
        if head is None:
            return None
        newest = ledger_rows.newest_checkpoint(session, self._platform, head.origin)
        if newest is not None:
            open_checkpoint(newest.note, head.origin, self._key.public)
            if newest.size > head.size:
                raise LedgerError(
                    f"a checkpoint over {newest.size} leaves was signed, the log has {head.size}: "
                    "an older state was restored; do not sign, recover the missing leaves first"
                )
            if newest.size == head.size:
                return None
        elif head.size == 0:
            return None
        known = len(self._tree)
        try:
            self._extend(session, head.size)
            if newest is not None and self._tree.root(newest.size) != newest.root:
                raise LedgerError(f"the first {newest.size} leaves no longer give the root that was signed")
            if self._tree.root(head.size) != head.root:
                raise LedgerError(f"the stored leaves do not give the head of {head.size} leaves; not signed")
        except LedgerError:
            # What was read is not believed: the next try reads it again.
            self._tree.truncate(known)
            raise
        checkpoint = sign_checkpoint(head.origin, head.size, head.root, self._key)
        ledger_rows.add_checkpoint(session, self._platform, checkpoint)
        logger.info("published", extra={"size": head.size})
        return checkpoint

    def _extend(self, session: Session, size: int) -> None:
        # Records are hashed again here; the stored leaf_hash column is not trusted.
        for leaf in ledger_rows.leaves(session, self._platform, len(self._tree), size):
            if leaf.index != len(self._tree):
                raise LedgerError(f"leaf {len(self._tree)} is missing")
            self._tree.append(record_hash(leaf.record))
        if len(self._tree) < size:
            raise LedgerError(f"leaf {len(self._tree)} is missing")
