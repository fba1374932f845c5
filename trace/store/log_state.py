"""The committed log as the sequencer knows it: tree, keys, tips of the device chains. Caches, all of it.

What is decided inside a transaction moves it at once; after a transaction that failed it is read again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from trace.errors import LedgerError
from trace.ledger.merkle import EMPTY_ROOT, Tree
from trace.store import ledger_rows
from trace.store.driver import Driver
from trace.store.ledger_rows import KeyState, LogHead, Place
from trace.store.rows import EnvelopeRow, HeadRow, ItemRow


@dataclass
class LogState:
    """One log. Owned by the sequencer's thread."""

    platform: int
    origin: str
    item_secret: bytes = field(repr=False)
    tree: Tree = field(default_factory=Tree, repr=False)
    rcv_ms: int = 0
    keys: dict[str, KeyState] = field(default_factory=dict)
    tips: dict[str, Place] = field(default_factory=dict)
    """Key id to its payload of the highest `seq`, of keys that were asked for."""
    next_item: int = 1
    committed: int = 0
    """Leaves of the tree that are known to be committed; those behind it belong to the running transaction."""

    @property
    def size(self) -> int:
        return len(self.tree)

    def load(self, session: Session) -> None:
        """Make it what is committed.

        Raises: LedgerError when the stored leaves do not give the stored head.
        """
        stored = ledger_rows.head(session, self.platform)
        if stored is None:
            session.execute(
                insert(HeadRow).values(platform=self.platform, origin=self.origin, size=0, root=EMPTY_ROOT, rcv_ms=0)
            )
            stored = LogHead(self.origin, 0, EMPTY_ROOT, 0)
        if stored.origin != self.origin:
            raise LedgerError(f"the database holds the log {stored.origin}, the settings say {self.origin}")
        self._grow(session, stored)
        self.committed = stored.size
        self.rcv_ms = stored.rcv_ms
        self.keys = ledger_rows.keys(session, self.platform)
        self.tips = {}
        newest = session.scalar(select(func.max(ItemRow.item_id)).where(ItemRow.platform == self.platform))
        self.next_item = int(newest or 0) + 1

    def load_tips(self, driver: Driver, key_ids: Iterable[str]) -> None:
        """Know the tips of these devices; of keys that are not registered there are none."""
        unknown = [key_id for key_id in key_ids if key_id not in self.tips and key_id in self.keys]
        columns = ("key_id", "seq", "leaf_index", "payload_hash", "prev")
        for row in driver.newest(EnvelopeRow, columns, "key_id", "seq", self.platform, unknown):
            self.tips[row[0]] = Place(*row[1:])

    def _grow(self, session: Session, stored: LogHead) -> None:
        # What was committed never changes: only what was appended since, here or by another process, is read.
        tree = self.tree
        tree.truncate(min(stored.size, self.committed))
        tree.extend(ledger_rows.leaf_hashes(session, self.platform, len(tree), stored.size))
        if len(tree) != stored.size or tree.root() != stored.root:
            found = len(tree)
            tree.truncate(0)
            self.committed = 0
            raise LedgerError(
                f"log of {stored.size} leaves: {found} are stored and do not give the stored root; run audit"
            )
