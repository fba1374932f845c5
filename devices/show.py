"""Records as JSON values, for people who watch a reader with `listen` and `frames`."""

from typing import Any

from scanners.records import Junk, ReaderEvent, Record, Scan, TagRead


def shown(record: Record) -> dict[str, Any]:
    """Bytes as hex; what is text, as text."""
    match record:
        case Scan(raw=raw, symbology=symbology, text=text):
            return {"record": "scan", "symbology": symbology, "text": text, "raw": raw.hex()}
        case TagRead(epc=epc, pc=pc, rssi_dbm=rssi_dbm, antenna=antenna, tag_crc=tag_crc):
            return {
                "record": "tag",
                "epc": epc.hex(),
                "pc": f"{pc:04x}",
                "rssi_dbm": rssi_dbm,
                "antenna": antenna,
                "tag_crc": None if tag_crc is None else f"{tag_crc:04x}",
            }
        case ReaderEvent(kind=kind, detail=detail):
            return {"record": "event", "kind": str(kind), "detail": detail}
        case Junk(reason=reason, data=data):
            return {"record": "junk", "reason": reason, "raw": data.hex()}
