"""What the platform's keys sign, and nothing else (docs/signer.md, "What it signs"). Pure.

A stolen web process can ask for signatures, so what may be asked for is narrow: the log key signs heads of its own
log, the attestation key hops that say for whom, the authority key statements and corrections of hops. Each payload
names the very key and log.
"""

from trace.errors import ParseError, ValidationError
from trace.ledger.envelope import HOP_TYPE, STATEMENT_TYPE, Envelope, pae
from trace.ledger.merkle import EMPTY_ROOT
from trace.ledger.payload import Hop, parse_payload
from trace.signer.head import Head


def check_payload(role: str, key_id: str, origin: str, message: bytes) -> None:
    """A DSSE pre-authentication encoding that this key may sign.

    Raises: ParseError, LimitError when it is no payload of ours; ValidationError when it is none for this key.
    """
    payload_type, payload = _parse_pae(message)
    said = parse_payload(Envelope(payload_type, payload, key_id, b""))
    if said.head.audience != origin:
        raise ValidationError(f"payload is meant for the log {said.head.audience[:80]!r}, this is {origin!r}")
    if role == "attestation" and not (isinstance(said, Hop) and said.attests is not None):
        raise ValidationError(f"the attestation key signs hops with attests, got a {said.head.kind}")
    if role == "authority" and isinstance(said, Hop) and said.corrects is None:
        raise ValidationError("the authority key signs statements and corrections, got a hop")


def check_checkpoint(origin: str, message: bytes, last: Head) -> Head:
    """The head in the body of a checkpoint that may follow the last one signed.

    Raises: ParseError when it is no checkpoint of this origin; ValidationError when it goes back or forks.
    """
    asked = Head.from_bytes(message, origin)
    if asked.size < last.size:
        raise ValidationError(f"a checkpoint over {last.size} leaves was signed, this one has {asked.size}")
    if asked.size == last.size and asked.root != last.root:
        raise ValidationError(f"another checkpoint over {last.size} leaves was signed: this would be a second history")
    if asked.size == 0 and asked.root != EMPTY_ROOT:
        raise ValidationError("a log without leaves has the root of RFC 6962, section 2.1, and no other")
    return asked


def _parse_pae(message: bytes) -> tuple[str, bytes]:
    for payload_type in (HOP_TYPE, STATEMENT_TYPE):
        start = pae(payload_type, b"").removesuffix(b"0 ")
        if message.startswith(start):
            payload = message.removeprefix(start).partition(b" ")[2]
            if pae(payload_type, payload) == message:
                return payload_type, payload
    raise ParseError(f"message {message[:60]!r}: expected the DSSE encoding of {HOP_TYPE} or {STATEMENT_TYPE}")
