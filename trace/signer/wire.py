"""What goes over the signer's socket (docs/signer.md, "The protocol"). No sockets opened, no keys.

    frame    length of the body, 4 bytes, big endian | body
    request  "public" LF
             "sign" SP key id LF message
    answer   "ok" LF what was asked for
             "refused" LF reason         this signer will never sign these bytes
             "later" LF reason           nothing is wrong with them; ask again

Answers come in the order of the requests, so that a client may send several before it reads.
"""

import socket
from dataclasses import dataclass
from enum import StrEnum

from trace.errors import LimitError, ParseError
from trace.ledger.encoding import b64, from_b64, from_hex
from trace.ledger.keys import PublicKey

MAX_FRAME_BYTES = 4 * 2**20
"""An attested payload of 2 MiB and its frame; more is not read."""
ROLES = ("authority", "attestation", "log")
"""The platform's own keys, one each."""


class Outcome(StrEnum):
    """First word of an answer."""

    OK = "ok"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True)
class AskPublic:
    """Who are you?"""

    def to_bytes(self) -> bytes:
        return b"public\n"


@dataclass(frozen=True)
class AskSignature:
    """Sign these bytes."""

    key_id: str
    message: bytes

    def to_bytes(self) -> bytes:
        return b"sign %b\n%b" % (self.key_id.encode("ascii"), self.message)


def parse_request(body: bytes) -> AskPublic | AskSignature:
    """Raises: ParseError."""
    line, found, message = body.partition(b"\n")
    words = line[:200].decode("utf-8", "replace").split(" ")
    if found and words == ["public"] and not message:
        return AskPublic()
    if found and len(words) == 2 and words[0] == "sign":
        from_hex(words[1], "key id", 32)
        return AskSignature(words[1], message)
    raise ParseError(f"request {' '.join(words)[:60]!r}: expected public, or sign and a key id")


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    body: bytes

    def to_bytes(self) -> bytes:
        return self.outcome.encode("ascii") + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> "Answer":
        """Raises: ParseError."""
        word, _, body = data.partition(b"\n")
        try:
            return cls(Outcome(word[:20].decode("ascii", "replace")), body)
        except ValueError as error:
            raise ParseError(f"answer {word[:20]!r}: expected one of {', '.join(Outcome)}") from error


@dataclass(frozen=True)
class Identity:
    """Whose signer this is, as text: a line `origin`, a line for each role with algorithm byte and key in base64."""

    origin: str
    authority: PublicKey
    attestation: PublicKey
    log: PublicKey

    def to_text(self) -> str:
        keys = (self.authority, self.attestation, self.log)
        lines = [f"{role} {key.algorithm:d} {b64(key.raw)}" for role, key in zip(ROLES, keys, strict=True)]
        return "\n".join([f"origin {self.origin}", *lines]) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Identity":
        """Raises: ParseError."""
        lines = [line.split(" ") for line in text.split("\n")]
        if [line[0] for line in lines] != ["origin", *ROLES, ""] or [len(line) for line in lines] != [2, 3, 3, 3, 1]:
            raise ParseError(f"public keys of the signer: expected lines origin, {', '.join(ROLES)}")
        for role, algorithm, _ in lines[1:4]:
            if algorithm != "1":
                raise ParseError(f"key {role}: algorithm {algorithm[:10]}: expected 1, Ed25519")
        keys = [PublicKey.parse(1, from_b64(key, f"key {role}", 32)) for role, _, key in lines[1:4]]
        return cls(lines[0][1], *keys)


def frame(body: bytes) -> bytes:
    """The body with its length in front. Raises: LimitError."""
    if len(body) > MAX_FRAME_BYTES:
        raise LimitError(f"frame of {len(body)} bytes, at most {MAX_FRAME_BYTES}")
    return len(body).to_bytes(4) + body


def read_frame(connection: socket.socket, patience_s: float, *, idle_s: float | None = None) -> bytes | None:
    """The next body; None when the other side ended between two frames.

    `idle_s` is how long to wait for the first byte (None: for ever), `patience_s` for what belongs to it.
    Raises: LimitError when the frame is too long, ParseError when it is cut off; TimeoutError, OSError of the socket.
    """
    connection.settimeout(idle_s)
    first = connection.recv(1)
    if not first:
        return None
    connection.settimeout(patience_s)
    length = int.from_bytes(first + _exactly(connection, 3))
    if length > MAX_FRAME_BYTES:
        raise LimitError(f"frame of {length} bytes, at most {MAX_FRAME_BYTES}")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        more = connection.recv(min(65_536, count - len(got)))
        if not more:
            raise ParseError(f"frame: cut off after {len(got)} of {count} bytes")
        got += more
    return bytes(got)
