"""What a witness decides: may this checkpoint be cosigned (c2sp.org/tlog-witness)?

A witness keeps, for each log it knows, the newest checkpoint that it cosigned, and cosigns a further one only if that
provably begins with it. So no two people who ask for its cosignature can be shown two histories of one log.

    POST /add-checkpoint      old <size of the checkpoint that was cosigned last>
                              <b64 node of the consistency proof>     63 at most
                              (blank line)
                              <checkpoint>

    200  cosignature lines                          403  no valid signature of a key that is known for the origin
    400  no such request, or old beyond the size    404  unknown origin
    409  old is not what was cosigned last: the size of that, as text/x.tlog.size
    409  same size, another root                    422  the proof does not hold

Both ends are here: the log writes the request, the witness reads it. `app/witness.py` keeps the state. No SQL, no
clock, no network.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trace.errors import LimitError, ParseError, TraceError
from trace.ledger.checkpoint import MAX_SIZE, Head
from trace.ledger.encoding import b64, from_b64
from trace.ledger.merkle import EMPTY_ROOT, consistent
from trace.ledger.note import Note, VerifierKey

MAX_REQUEST_BYTES = 256 * 1024
"""Room for 63 nodes and some fifty signatures, post-quantum ones among them."""
MAX_PROOF_LINES = 63
PLAIN = "text/plain; charset=utf-8"
SIZE_MEDIA_TYPE = "text/x.tlog.size"

_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class AddCheckpoint:
    """A request to cosign."""

    old: int
    """Leaves of the checkpoint that the witness cosigned last, as the log believes."""
    path: tuple[bytes, ...]
    """Consistency proof from there, 32 bytes a node."""
    note: str
    """The checkpoint with its signatures."""

    @classmethod
    def parse(cls, data: bytes) -> "AddCheckpoint":
        """Raises: ParseError, LimitError."""
        if len(data) > MAX_REQUEST_BYTES:
            raise LimitError(f"request: {len(data)} bytes, at most {MAX_REQUEST_BYTES} are read")
        try:
            head, blank, note = data.decode("utf-8").partition("\n\n")
        except UnicodeDecodeError as error:
            raise ParseError(f"request: byte {error.start}: expected UTF-8") from error
        first, *lines = head.split("\n")
        old = _OLD_LINE.fullmatch(first)
        if not blank or old is None or int(old[1]) > MAX_SIZE:
            raise ParseError("request: expected 'old <size>', a consistency proof, a blank line and a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise LimitError(f"request: {len(lines)} lines of consistency proof, at most {MAX_PROOF_LINES} are read")
        return cls(int(old[1]), tuple(from_b64(line, "request: proof", 32) for line in lines), note)

    def to_bytes(self) -> bytes:
        lines = [f"old {self.old}", *(b64(node) for node in self.path)]
        return ("\n".join(lines) + "\n\n" + self.note).encode("utf-8")


@dataclass(frozen=True)
class Seen:
    """The newest checkpoint of a log that the witness cosigned."""

    size: int
    root: bytes


NEVER = Seen(0, EMPTY_ROOT)
"""No checkpoint of this log was cosigned yet."""


@dataclass(frozen=True)
class Answer:
    """What the witness says over HTTP."""

    status: int
    body: str
    media_type: str = PLAIN


@dataclass(frozen=True)
class Submitted:
    """A request that a known log signed."""

    request: AddCheckpoint
    head: Head
    note: Note
    """The checkpoint with the log's own valid lines, and no others."""


Logs = Mapping[str, tuple[VerifierKey, ...]]
"""Origin to the keys (type 0x01) that a checkpoint of this log may be signed by."""


def read_request(data: bytes, logs: Logs) -> Submitted | Answer:
    """The request, if its form is right and a known log signed it; else the refusal. Looks at no state."""
    try:
        request = AddCheckpoint.parse(data)
        note = Note.parse(request.note)
        head = Head.parse(note.text)
    except (ParseError, LimitError) as error:
        return Answer(400, f"{error}\n")
    keys = logs.get(head.origin)
    if keys is None:
        return Answer(404, f"unknown log: {head.origin[:200]}\n")
    try:
        signed = [key for key in keys if note.signed_by(key)]
    except TraceError as error:
        return Answer(403, f"invalid signature: {error}\n")
    if not signed:
        return Answer(403, f"invalid signature: none by a known key of {head.origin[:200]}\n")
    if request.old > head.size:
        return Answer(400, f"old size {request.old}: expected at most the checkpoint's size, {head.size}\n")
    lines = tuple(line for line in note.signatures if any(line.by(key) for key in signed))
    return Submitted(request, head, Note(note.text, lines))


def refusal(submitted: Submitted, seen: Seen) -> Answer | None:
    """Why a checkpoint of a known log must not be cosigned; None when it may be.

    `seen` is what this witness cosigned last. It must still be so when the checkpoint is recorded: the caller asks and
    records in one transaction.
    """
    old, path, head = submitted.request.old, submitted.request.path, submitted.head
    if old != seen.size:
        return Answer(409, f"{seen.size}\n", SIZE_MEDIA_TYPE)
    if head.size == 0 and head.root != EMPTY_ROOT:
        return Answer(422, "size 0: expected the root of the empty tree\n")
    if old == head.size or old == 0:
        if path:
            return Answer(422, f"consistency proof from {old} to {head.size}: expected an empty one\n")
        if old == head.size and head.root != seen.root:
            return Answer(409, f"size {old} was cosigned with another root: {b64(seen.root)}\n")
        return None
    if not consistent(old, head.size, seen.root, head.root, path):
        return Answer(422, f"consistency proof from {old} to {head.size} does not hold\n")
    return None
