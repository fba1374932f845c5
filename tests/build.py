"""Builders that go through the doors: a running platform on a folder, parties with devices, scans that are recorded.

Times come from a `SetClock`, device keys from their names; what a test does not name does not matter to it.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.services import Services, open_services
from app.settings import Settings
from tests.signing import signer_beside
from trace import attest, query, register
from trace.audit import Audit, Finding
from trace.capture import capture
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import Disclosure, Split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import HOP_TYPE, Envelope, Parcel, pae
from trace.ledger.keys import PrivateKey
from trace.observe import Amount, Device, ReadPoint, observe_pack, observe_scan, observe_transformation
from trace.query import Log, Story
from trace.store.intake import Receipt
from trace.store.master_rows import Party, Region, Site
from trace.times import SetClock

ORIGIN = "trace.example"
START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
"""Nine in the morning at the place."""
OFFSET = "+08:00"
GTIN = "09520000000028"
DOCK = ReadPoint("https://id.gs1.org/414/9520000000134/254/dock-1", None, "receiving", "in_progress")
FLOUR = "09520000000073"


def item_code(serial: str, lot: str = "LOT7", expiry: str = "281130") -> bytes:
    """What a DataMatrix reader sends for one unit."""
    return f"]d201{GTIN}17{expiry}10{lot}\x1d21{serial}".encode()


def lot_code(lot: str, gtin: str = GTIN) -> bytes:
    return f"]d201{gtin}10{lot}".encode()


def case_code(sscc: str) -> bytes:
    return f"]C100{sscc}".encode()


def item_uri(serial: str) -> str:
    return f"https://id.gs1.org/01/{GTIN}/21/{serial}"


def lot_uri(lot: str, gtin: str = GTIN) -> str:
    return f"https://id.gs1.org/01/{gtin}/10/{lot}"


def case_uri(sscc: str) -> str:
    return f"https://id.gs1.org/00/{sscc}"


def event_of(uris: Sequence[str] = (), **members: Any) -> JsonObject:
    """A whole ObjectEvent; a member given as None is left out."""
    plain: JsonObject = {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "ObjectEvent",
        "eventID": new_event_id(),
        "eventTime": "2026-11-24T00:59:00.000Z",
        "eventTimeZoneOffset": OFFSET,
        "action": "OBSERVE",
        "bizStep": "receiving",
        "readPoint": {"id": DOCK.read_point},
        "epcList": list(uris),
    } | members
    return {name: value for name, value in plain.items() if value is not None}


def new_event_id() -> str:
    return uuid.uuid4().urn


def private_key(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


def pseudonym(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Firm:
    """A registered party and its one device."""

    pseudonym: str
    device: Device
    key: PrivateKey

    @property
    def key_id(self) -> str:
        return self.key.key_id

    def body(self, cut: Split, **changes: Any) -> JsonObject:
        """The payload of the device's next hop; `changes` twist it."""
        return {
            "type": "hop",
            "iss": self.pseudonym,
            "dev": self.key_id,
            "seq": self.device.seq + 1,
            "prev": None if self.device.prev is None else b64u(self.device.prev),
            "aud": ORIGIN,
            "nonce": b64u(bytes(16)),
            "seen": None,
            "signedAt": "2026-11-24T01:00:00.000Z",
            "event": cut.public,
            "items": list(cut.items),
            "_sd": list(cut.sd),
        } | changes

    def sign(self, payload: bytes, disclosures: Sequence[Disclosure | str], kind: str = HOP_TYPE) -> Parcel:
        """A parcel over any bytes, right or wrong."""
        envelope = Envelope(kind, payload, self.key_id, self.key.sign(pae(kind, payload)))
        return Parcel(envelope, tuple(d if isinstance(d, str) else d.text for d in disclosures))


class World:
    """A running platform."""

    def __init__(self, services: Services, clock: SetClock) -> None:
        self.services = services
        self.clock = clock

    @property
    def log(self) -> Log:
        return self.services.log

    def firm(self, name: str, role: str = "device") -> Firm:
        """A party, and the key of its device, registered by the authority."""
        key = private_key(name)
        firm = Firm(pseudonym(name), Device(key, pseudonym(name), ORIGIN), key)
        register.register_key(self.services.authority, key.public, firm.pseudonym, role, self.clock.now())
        return firm

    def master(self, *parties: Party, sites: Sequence[Site] = (), products: Sequence[Any] = ()) -> None:
        with self.services.writing() as session:
            regions = [Region("990102", "东渡区", "Dongdu")]
            register.add_master_data(session, 1, regions, list(parties), list(sites), list(products))

    def send(self, data: bytes | Parcel) -> Receipt:
        """What `POST /capture` does."""
        raw = data if isinstance(data, bytes) else data.to_bytes()
        with self.services.reading() as session:
            return capture(session, 1, ORIGIN, raw, self.services.sequencer)

    def record(self, firm: Firm, event: JsonObject) -> Receipt:
        return self.send(firm.device.sign(event, at=self.clock.now()))

    def occasion(self) -> dict[str, Any]:
        return {"at": self.clock.now(), "utc_offset": OFFSET, "origin": ORIGIN, "event_id": new_event_id()}

    def scan(self, firm: Firm, raw: bytes, step: str = "receiving", **more: Any) -> Receipt:
        """`more`: fields of the read point, or arguments of `observe_scan`."""
        point = {name: more.pop(name) for name in ("read_point", "disposition", "action") if name in more}
        where = replace(DOCK, biz_step=step, **point)
        return self.record(firm, observe_scan(raw, where, **self.occasion(), **more).event)

    def pack(self, firm: Firm, parent: bytes, children: Sequence[bytes], action: str = "ADD") -> Receipt:
        step = "packing" if action == "ADD" else "unpacking"
        where = replace(DOCK, biz_step=step, action=action)
        return self.record(firm, observe_pack(parent, children, where, **self.occasion()).event)

    def transform(self, firm: Firm, inputs: Sequence[bytes], outputs: Sequence[bytes]) -> Receipt:
        where = replace(DOCK, biz_step="commissioning")
        amount = Amount(quantity=Decimal(5), uom="KGM")
        seen = observe_transformation(
            [(raw, amount) for raw in inputs], [(raw, amount) for raw in outputs], where, **self.occasion()
        )
        return self.record(firm, seen.event)

    def attest(self, party: str, raw: bytes) -> Receipt:
        receipt, _ = attest.attest_scan(self.services.attestation, raw, DOCK, party=party, **self.occasion())
        return receipt

    def story(self, uri: str) -> Story:
        with self.services.reading() as session:
            return query.story(session, self.log, uri, self.clock.now(), self.services.zone_offset)

    def proof(self, uri: str) -> JsonObject:
        self.services.publish_now()
        tree = self.services.tree()
        with self.services.reading() as session:
            return query.proof(session, self.log, tree, uri)

    def execute(self, *statements: str) -> None:
        """SQL in one transaction."""
        with self.services.writing() as session:
            for statement in statements:
                session.execute(text(statement))

    @contextmanager
    def holding_up(self) -> Iterator[None]:
        """Nothing is appended until the end of the block."""
        with self.services.writing() as session:
            if self.services.settings.postgresql:
                session.execute(text("LOCK TABLE leaf"))
            yield

    def sabotage(self, act: str, table: str, when: str = "true") -> None:
        """From now on the database refuses this; `when` is a condition on the row."""
        if self.services.settings.postgresql:
            self.execute(
                "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'disk' USING ERRCODE = '23000'; END $$",
                f"CREATE TRIGGER broken BEFORE {act} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION broken()",
            )
        else:
            raising = "BEGIN SELECT RAISE(ABORT, 'disk'); END"
            self.execute(f"CREATE TRIGGER broken BEFORE {act} ON {table} WHEN {when} {raising}")

    def repair(self) -> None:
        """The database takes it again."""
        cascade = self.services.settings.postgresql
        self.execute("DROP FUNCTION broken CASCADE" if cascade else "DROP TRIGGER broken")

    def allow_changes(self, table: str) -> None:
        """The table takes UPDATE and DELETE, as it would of a thief who owns the database."""
        if self.services.settings.postgresql:
            self.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        else:
            self.execute(f"DROP TRIGGER {table}_no_update", f"DROP TRIGGER {table}_no_delete")

    def audit(self) -> tuple[list[Finding], Audit]:
        run = auditor(self.services)
        with self.services.reading() as session:
            return list(run.findings(session)), run


def auditor(services: Services) -> Audit:
    return Audit(1, ORIGIN, services.log.verifier_key, services.log.item_secret)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'suyuan.sqlite'}"


database_url: Callable[[Path], str] = sqlite_url
"""The database that goes with a data folder; the fixture `both_databases` puts PostgreSQL in its place."""


def settings(folder: Path) -> Settings:
    return Settings(folder, ORIGIN, database_url(folder))


@contextmanager
def running(folder: Path, at: datetime = START) -> Iterator[World]:
    """A platform on this folder; its first two leaves are its own keys."""
    clock = SetClock(at)
    with signer_beside(settings(folder)), open_services(settings(folder), clock) as services:
        yield World(services, clock)
