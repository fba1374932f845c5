"""The publishing door: a committed head becomes a signed checkpoint, and witnesses' cosignatures join it.

Order is the design: read the new leaves back from the database, hash them again, compare with the committed head, and
only then sign. A bit that flipped between hashing and storing is found before anybody relies on it. What was signed is
also kept in a second file, so that an older copy of the database is found out before it is signed as if it were new;
`app/witnesses.py` asks the witnesses the same question.
"""

import logging
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from trace.errors import LedgerError, TraceError
from trace.files import replace_file
from trace.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from trace.ledger.cosignature import Cosignature
from trace.ledger.keys import PublicKey, SigningKey
from trace.ledger.leaf import record_hash
from trace.ledger.merkle import Nodes, Tree
from trace.ledger.note import Note, Signature
from trace.ledger.policy import Policy
from trace.store import ledger_rows, witness_rows
from trace.times import to_ms

logger = logging.getLogger(__name__)

FORKED = "forked"
"""Code of the LedgerError that says: what was signed is not what is stored."""
WAIT_FOR_WITNESSES_MS = 5_000
"""How long a fresh checkpoint is held back for its quorum: with it, a commit is published within ten seconds."""

_RECOVER = (
    "Nothing is signed and no parcel is taken until this is resolved; pages go on. To recover, stop the server, put "
    "back the newest copy of the database and start again. If that is lost, get the missing entries from a mirror. Do "
    "not remove the second head file or a witness to get on: that would be the fork that they are there to find"
)


class SecondHead:
    """The newest signed checkpoint in a file of its own, best on another disk than the database."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self, origin: str, public: PublicKey) -> Checkpoint | None:
        """None when there is no such file yet.

        Raises: LedgerError when the file is not a checkpoint that this log signed; without a code when it cannot be
        read now, which may pass.
        """
        try:
            return open_checkpoint(self._file.read_text(encoding="utf-8"), origin, public)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self}: cannot be read: {error.strerror}; nothing is signed until it can") from error
        except (TraceError, UnicodeDecodeError) as error:
            raise LedgerError(f"{self}: not a checkpoint of this log: {error}. {_RECOVER}", code=FORKED) from error

    def write(self, checkpoint: Checkpoint) -> None:
        """Durably, before the checkpoint is given out."""
        replace_file(self._file, checkpoint.note.encode("utf-8"), mode=0o666)

    def __str__(self) -> str:
        return f"the second head file {self._file}"


def check_against(tree: Nodes, size: int, known: Checkpoint, where: str) -> None:
    """Whether a checkpoint that this log signed is the beginning of the `size` leaves that are stored.

    Raises: LedgerError with the code FORKED that says how to recover.
    """
    check_size(size, known, where)
    if tree.root(known.size) != known.root:
        raise LedgerError(
            f"{where} knows a checkpoint over {known.size} leaves that this log signed, and the first {known.size} "
            f"leaves in the database are others: it is another history. {_RECOVER}",
            code=FORKED,
        )


def check_size(size: int, known: Checkpoint, where: str) -> None:
    """As `check_against`, as far as it needs no leaves."""
    if known.size > size:
        raise ahead(size, known.size, where)


def ahead(size: int, known: int, where: str) -> LedgerError:
    """The error that says that an older state was restored."""
    return LedgerError(
        f"{where} knows a checkpoint over {known} leaves that this log signed, and the database has {size}: an older "
        f"copy was restored. {_RECOVER}",
        code=FORKED,
    )


def inconsistent(size: int, where: str) -> LedgerError:
    """The error that says that somebody holds another history, without showing it."""
    return LedgerError(
        f"{where} refuses the {size} leaves in the database as inconsistent with what it cosigned before: it is "
        f"another history. {_RECOVER}",
        code=FORKED,
    )


class Publisher:
    """Signs heads of one log. Owns a tree of its own, built only from what was read back."""

    def __init__(self, platform: int, log_key: SigningKey, second_head: SecondHead | None = None) -> None:
        self._platform = platform
        self._key = log_key
        self._second_head = second_head
        self._tree = Tree()

    def guard(self, session: Session, origin: str) -> None:
        """What can be seen of an older copy without reading the leaves; `publish` looks at these too.

        Raises: LedgerError with the code FORKED.
        """
        head = ledger_rows.head(session, self._platform)
        known = None if self._second_head is None else self._second_head.read(origin, self._key.public)
        if known is not None:
            check_size(0 if head is None else head.size, known, str(self._second_head))

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
            self._check_second_head(head.origin, head.size, newest)
        except LedgerError:
            # What was read is not believed: the next try reads it again.
            self._tree.truncate(known)
            raise
        checkpoint = sign_checkpoint(head.origin, head.size, head.root, self._key)
        if self._second_head is not None:
            # Before the commit that gives it out. When that fails, the file holds what these leaves will be signed as.
            self._second_head.write(checkpoint)
        ledger_rows.add_checkpoint(session, self._platform, checkpoint)
        logger.info("published", extra={"size": head.size})
        return checkpoint

    def _check_second_head(self, origin: str, size: int, newest: Checkpoint | None) -> None:
        if self._second_head is None:
            return
        known = self._second_head.read(origin, self._key.public)
        if known is not None:
            check_against(self._tree, size, known, str(self._second_head))
        elif newest is not None:
            logger.warning("%s is missing; it is written anew", self._second_head)

    def _extend(self, session: Session, size: int) -> None:
        # Records are hashed again here; the stored leaf_hash column is not trusted.
        for leaf in ledger_rows.leaves(session, self._platform, len(self._tree), size):
            if leaf.index != len(self._tree):
                raise LedgerError(f"leaf {len(self._tree)} is missing")
            self._tree.append(record_hash(leaf.record))
        if len(self._tree) < size:
            raise LedgerError(f"leaf {len(self._tree)} is missing")


# ---- witnesses ----------------------------------------------------------------------------------


def wait_for_witnesses(session: Session, platform: int, checkpoint: Checkpoint, now: datetime) -> None:
    """Say that from now on witnesses are asked about this checkpoint."""
    witness_rows.add_asked(session, platform, checkpoint.size, to_ms(now))


def keep_cosignature(session: Session, platform: int, size: int, cosignature: Cosignature) -> None:
    """Store a cosignature that was verified over the checkpoint of this size."""
    witness = cosignature.key.public.key_id
    witness_rows.add_cosignature(session, platform, size, witness, cosignature.line, cosignature.time_s)


def cosigned_by(session: Session, platform: int, witness: PublicKey) -> int | None:
    """Leaves of the newest checkpoint that this witness cosigned for us; None for none."""
    return witness_rows.newest_size_of(session, platform, witness.key_id)


def newest_signed(session: Session, platform: int, origin: str) -> Checkpoint | None:
    """The newest checkpoint with the log's signature alone: what witnesses are asked about."""
    return ledger_rows.newest_checkpoint(session, platform, origin)


def committed_size(session: Session, platform: int) -> int:
    """Leaves of the committed head."""
    head = ledger_rows.head(session, platform)
    return 0 if head is None else head.size


def given_out(
    session: Session, platform: int, origin: str, policy: Policy | None, now: datetime, covering: int | None = None
) -> Checkpoint | None:
    """The checkpoint for readers, its note with the cosignatures that there are; None before the first.

    The newest, if a quorum cosigned it. While what is newer than the last with a quorum waits for its witnesses, that
    one; after WAIT_FOR_WITNESSES_MS the newest as it is: a log whose witnesses are away goes on, and readers who demand
    the quorum see that it is not there. `covering`: for a proof about these first leaves an older one with a quorum
    will do.
    """
    newest = _cosigned(session, platform, ledger_rows.newest_checkpoint(session, platform, origin))
    if newest is None or policy is None or _has_quorum(session, platform, newest, policy):
        return newest
    before = _newest_with_quorum(session, platform, origin, policy)
    if before is None:
        return newest
    # The first one behind it counts: on a busy log the newest is always fresh, also when no witness has answered for
    # an hour.
    asked_ms = witness_rows.asked_ms_after(session, platform, before.size)
    waits = asked_ms is not None and to_ms(now) - asked_ms < WAIT_FOR_WITNESSES_MS
    return before if waits or (covering is not None and before.size >= covering) else newest


def _newest_with_quorum(session: Session, platform: int, origin: str, policy: Policy) -> Checkpoint | None:
    for size in witness_rows.cosigned_sizes(session, platform):
        found = witness_rows.note_of(session, platform, size)
        checkpoint = None if found is None else Checkpoint(origin, size, *found)
        if checkpoint is not None and _has_quorum(session, platform, checkpoint, policy):
            return _cosigned(session, platform, checkpoint)
    return None


def _cosigned(session: Session, platform: int, checkpoint: Checkpoint | None) -> Checkpoint | None:
    if checkpoint is None:
        return None
    lines = witness_rows.cosignatures(session, platform, checkpoint.size).values()
    note = Note.parse(checkpoint.note)
    note = Note(note.text, (*note.signatures, *(Signature.parse(line) for line in lines)))
    return Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, str(note))


def _has_quorum(session: Session, platform: int, checkpoint: Checkpoint, policy: Policy) -> bool:
    cosigned = witness_rows.cosignatures(session, platform, checkpoint.size)
    names = [
        name for name, party in policy.witnesses.items() if party.key.checkable and party.key.public.key_id in cosigned
    ]
    return policy.satisfied(names)
