"""The receipt: what the server answers to a parcel (docs/formats.md, section 3).

Taken only when its leaf commits to the very envelope that was sent. Anything else with status 200 comes from a hotel's
log-in page or a broken proxy, and the parcel must not be forgotten for it.
"""

from dataclasses import dataclass

from trace.errors import ParseError
from trace.ledger.canonical import parse_json
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import Leaf

MAX_RECEIPT_BYTES = 256 * 1024
"""A leaf of 500 item lines is about 90 KB."""


@dataclass(frozen=True)
class Receipt:
    leaf_index: int
    event_id: str

    @classmethod
    def parse(cls, answer: bytes, parcel: bytes) -> "Receipt":
        """Raises: TraceError when it is no receipt, or one for something else."""
        members = parse_json(answer, "receipt", max_bytes=MAX_RECEIPT_BYTES)
        if not isinstance(members, dict):
            raise ParseError(f"receipt: expected an object, got {type(members).__name__}")
        leaf_index, record, event_id = members.get("leaf_index"), members.get("leaf"), members.get("event_id")
        if type(leaf_index) is not int or leaf_index < 0 or type(record) is not str or type(event_id) is not str:
            raise ParseError(f"receipt: expected leaf_index, leaf and event_id, got {sorted(members)}")
        leaf, sent = Leaf.parse(record), Parcel.from_bytes(parcel).envelope
        if leaf.env_hash != sent.env_hash:
            raise ParseError(
                f"receipt: expected a leaf for envelope {sent.env_hash.hex()[:16]}…, got {leaf.env_hash.hex()[:16]}…"
            )
        return cls(leaf_index, event_id)
