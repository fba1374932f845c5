"""Proof of one record as a file of its own: c2sp.org/tlog-proof@v1, usually named `.tlog-proof`.

    c2sp.org/tlog-proof@v1
    extra <b64>                  only where there is some; nobody signed it
    index <leaf index>
    <b64 node>                   inclusion proof, leaf end first
    (blank line)
    <checkpoint with its signatures>

Form only: `merkle.included` and `checkpoint.open_checkpoint` say whether it is true. No SQL, no clock, no network.
"""

import re
from dataclasses import dataclass

from trace.errors import LimitError, ParseError
from trace.ledger.encoding import b64, from_b64

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
MAX_PATH = 63


@dataclass(frozen=True)
class TlogProof:
    """That a record stands at an index under a checkpoint."""

    index: int
    path: tuple[bytes, ...]
    """Inclusion proof, 32 bytes a node, the leaf's sibling first."""
    checkpoint: str
    """Signed note, as it was given out."""
    extra: bytes | None = None
    """Opaque, and signed by nobody."""

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """Raises: ParseError, LimitError."""
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines.pop(0) != _FIRST_LINE:
            raise ParseError(f"tlog-proof: expected the line {_FIRST_LINE}, a proof, a blank line and a checkpoint")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_b64(lines.pop(0).removeprefix("extra "), "tlog-proof: extra")
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None:
            raise ParseError("tlog-proof: expected 'index' and a decimal number in front of the proof")
        if len(lines) > MAX_PATH:
            raise LimitError(f"tlog-proof: {len(lines)} lines of inclusion proof, at most {MAX_PATH} are read")
        path = tuple(from_b64(line, "tlog-proof: node", 32) for line in lines)
        return cls(int(index[1]), path, checkpoint, extra)

    def to_text(self) -> str:
        lines = [_FIRST_LINE]
        if self.extra is not None:
            lines.append(f"extra {b64(self.extra)}")
        lines += [f"index {self.index}", *(b64(node) for node in self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint
