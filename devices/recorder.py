"""The recorder signs what was observed and puts it into the outbox: the one place where the device's chain grows.

One lock around sign-and-keep, and the chain's state is read from the outbox each time instead of being held here: when
the disk refuses a parcel, nothing in memory has run ahead of it, and the next parcel takes the same number.
"""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from devices.outbox import Outbox
from trace.ledger.keys import PrivateKey
from trace.ledger.payload import Seen
from trace.observe import Device, Observation, ReadPoint, observe_scan, observe_tags


class Recorder:
    """Of one device key; called from the threads of all its readers."""

    def __init__(
        self,
        outbox: Outbox,
        key: PrivateKey,
        *,
        issuer: str,
        origin: str,
        utc_offset: str,
        new_event_id: Callable[[], str],
        on_added: Callable[[], None],
        seen: Callable[[], Seen | None],
    ) -> None:
        """`seen` tells the newest checkpoint that the station knows."""
        self._outbox = outbox
        self._key = key
        self._issuer = issuer
        self._origin = origin
        self._utc_offset = utc_offset
        self._new_event_id = new_event_id
        self._on_added = on_added
        self._seen = seen
        self._lock = threading.Lock()

    def scan(self, raw: bytes, where: ReadPoint, *, reader: str, at: datetime) -> None:
        """Returns when it is on disk.

        Raises: TraceError when the code identifies nothing; sqlite3.Error when the disk does not take it.
        """
        observation = observe_scan(
            raw, where, at=at, utc_offset=self._utc_offset, origin=self._origin, event_id=self._new_event_id()
        )
        self._keep(observation, reader=reader, raw=raw.decode("latin-1"), at=at)

    def tags(self, tags: Sequence[tuple[int, bytes]], where: ReadPoint, *, reader: str, at: datetime) -> None:
        """Tags (protocol control word, EPC) that came together, as one event; at most 500. Raises: as `scan`."""
        observation = observe_tags(
            tags, where, at=at, utc_offset=self._utc_offset, origin=self._origin, event_id=self._new_event_id()
        )
        self._keep(observation, reader=reader, raw=" ".join(epc.hex() for _, epc in tags), at=at)

    def _keep(self, observation: Observation, *, reader: str, raw: str, at: datetime) -> None:
        note = json.dumps({"reader": reader, "raw": raw, "digital_link": observation.uris[0]})
        with self._lock:
            device = Device(self._key, self._issuer, self._origin, *self._outbox.state())
            parcel = device.sign(observation.event, at=at, seen=self._seen())
            self._outbox.add(device.seq, parcel.payload_hash, parcel.to_bytes(), note)
        self._on_added()
