"""A small platform in use: one dairy with a device, one shop, two accounts; the real application on a real folder.

World -> services on a temporary folder, a clock set by hand, `create_app`, browsers (Flask's test clients)
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from app import create_app
from app.access.accounts import Account, add_account, open_session
from app.access.rules import COOKIE
from app.database import Database
from app.services import Services, load_secrets, open_services
from app.settings import Settings
from app.signing import signer_keys
from tests.signing import signer_beside, signer_thread
from trace.capture import capture
from trace.ledger.envelope import Parcel
from trace.ledger.keys import PrivateKey
from trace.observe import Device, ReadPoint, observe_scan
from trace.register import Party, Region, Site, TradeItem, add_master_data, register_key
from trace.signer.client import SignerClient
from trace.times import SetClock

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
"""Eight in the morning in the city."""
ORIGIN = "suyuan.yunqiao.example"
DAIRY, SHOP = "0d" * 16, "5a" * 16
SHOP_GLN, DAIRY_GLN = "9520000000158", "9520000000059"
GTIN = "09520000000028"
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
OPERATOR, REGULATOR = "shopkeeper", "inspector"
PASSWORDS = {OPERATOR: "correct-horse-battery", REGULATOR: "staple-lamp-river-cup"}


@dataclass
class World:
    """What a test works with."""

    services: Services
    clock: SetClock
    folder: Path
    device: Device
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.app = self.fresh_app()

    def fresh_app(self) -> Flask:
        """Another application on the same services, to which routes can still be added."""
        return create_app(self.services)

    def visitor(self, app: Flask | None = None) -> FlaskClient:
        """A browser without cookies."""
        return (app or self.app).test_client()

    def signed_in(self, name: str, app: Flask | None = None) -> FlaskClient:
        """A browser that has just signed in, without the tenth of a second that checking a password takes."""
        with self.services.writing() as session:
            token = open_session(session, 1, name, self.clock.now())
        browser = self.visitor(app)
        browser.set_cookie(COOKIE, token)
        return browser

    def parcel(self, serial: str, step: str = "commissioning", code: str | None = None) -> Parcel:
        """A scan of one unit, signed by the dairy's device, not yet sent."""
        place = f"https://id.gs1.org/414/{DAIRY_GLN}"
        seen = observe_scan(
            (code or f"]d201{GTIN}21{serial}").encode(),
            ReadPoint(place, place, step, "active" if step == "commissioning" else "in_progress"),
            at=self.clock.now(),
            utc_offset="+08:00",
            origin=ORIGIN,
            event_id=uuid.uuid4().urn,
        )
        return self.device.sign(seen.event, at=self.clock.now())

    def record(self, serial: str, step: str = "commissioning", code: str | None = None) -> None:
        data = self.parcel(serial, step, code).to_bytes()
        with self.services.reading() as session:
            capture(session, 1, ORIGIN, data, self.services.sequencer)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A platform that publishes by itself."""
    clock = SetClock(START)
    with signer_beside(settings(folder)), open_services(settings(folder), clock) as services:
        yield World(services, clock, folder, _people_the(services))


@contextmanager
def unpublished_world(folder: Path) -> Iterator[World]:
    """The same, without the publisher's thread: nothing is in a checkpoint until `publish_now`."""
    clock = SetClock(START)
    told = settings(folder)
    folder.mkdir(exist_ok=True)
    database = Database(told.database)
    database.migrate()
    with ExitStack() as stack:
        stack.enter_context(signer_thread(told))
        client = SignerClient(told.signer_socket)
        stack.callback(client.close)
        services = Services(told, clock, database, load_secrets(told.keys), signer_keys(told, client))
        stack.callback(services.close)
        services.sequencer.start()
        for signer, role in ((services.authority, "authority"), (services.attestation, "attestation")):
            register_key(services.authority, signer.public, signer.issuer, role, clock.now())
        yield World(services, clock, folder, _people_the(services))


def settings(folder: Path) -> Settings:
    return Settings(folder, ORIGIN, f"sqlite:///{folder / 'suyuan.sqlite'}")


def _people_the(services: Services) -> Device:
    key = PrivateKey(bytes(range(32)))
    register_key(services.authority, key.public, DAIRY, "device", services.clock.now(), {"name": "示例晨光乳业"})
    regions = [Region("990102", "东渡区", "Dongdu")]
    parties = [
        Party(DAIRY, "91990102MADEM1057K", "示例晨光乳业", "Example Dairy", "990102", None),
        Party(SHOP, "91990102MADEM1153E", "示例母婴生活馆", "Example Mother & Child shop", "990102", None),
        Party(services.attestation.issuer, "PLATFORM", "溯源平台", "Suyuan platform", "990102", None),
    ]
    sites = [
        Site(DAIRY_GLN, DAIRY, "东渡一厂", "Dongdu plant 1", "990102"),
        Site(SHOP_GLN, SHOP, "解放路店", "Jiefang Road shop", "990102"),
    ]
    products = [TradeItem(GTIN, "示例奶粉", "Example formula", "800 g", "food", DAIRY, None, None)]
    accounts = [
        Account(OPERATOR, "operator", SHOP, None, "店员甲", "Shopkeeper A"),
        Account(REGULATOR, "regulator", None, "990100", "监管员甲", "Inspector A"),
    ]
    with services.writing() as session:
        add_master_data(session, 1, regions, parties, sites, products)
        for account in accounts:
            add_account(session, 1, account, PASSWORDS[account.name])
    return Device(key, DAIRY, ORIGIN)


def sign_in(browser: FlaskClient, name: str, password: str, **form: str) -> TestResponse:
    """Through the form, as a person does."""
    page = browser.get("/login", query_string={"next": form["next"]} if "next" in form else None, headers=HTML)
    fields = {"username": name, "password": password, "csrf_token": csrf_token(page), **form}
    return browser.post("/login", data=fields, headers=HTML)


def csrf_token(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def problem(answer: Response) -> dict[str, Any]:
    """The problem details of an answer (RFC 9457), form checked."""
    assert answer.mimetype == "application/problem+json", answer.text
    told: dict[str, Any] = answer.get_json()
    assert set(told) == {"type", "title", "status", "detail", "instance"}
    assert told["status"] == answer.status_code
    assert told["detail"]
    return told
