"""The body of a checkpoint as the log key signs it (c2sp.org/tlog-checkpoint): origin, size, root, no extension lines.

Read here once more, apart from what the publisher writes it with: the signer trusts no code of the web process.
"""

import re
from dataclasses import dataclass

from trace.errors import ParseError
from trace.ledger.encoding import b64, from_b64
from trace.ledger.merkle import EMPTY_ROOT

_SIZE = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)


@dataclass(frozen=True)
class Head:
    """A tree head."""

    size: int
    root: bytes

    def to_bytes(self, origin: str) -> bytes:
        return f"{origin}\n{self.size}\n{b64(self.root)}\n".encode()

    @classmethod
    def from_bytes(cls, data: bytes, origin: str) -> "Head":
        """Raises: ParseError when it is not exactly the body of a checkpoint of this origin."""
        try:
            lines = data.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ParseError(f"checkpoint {data[:60]!r}: not UTF-8") from error
        if len(lines) != 4 or lines[3]:
            raise ParseError(f"checkpoint {data[:60]!r}: expected three lines, origin, size and root")
        if lines[0] != origin:
            raise ParseError(f"checkpoint: origin {lines[0][:80]!r}, expected {origin!r}")
        if _SIZE.fullmatch(lines[1]) is None:
            raise ParseError(f"checkpoint: size {lines[1][:20]!r}: expected a decimal number")
        return cls(int(lines[1]), from_b64(lines[2], "checkpoint root", 32))


NOTHING = Head(0, EMPTY_ROOT)
"""Before the first signature."""
