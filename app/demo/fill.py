"""Fills the demo city: master data, keys, and the story, told through the doors with an injected clock.

Every step is a scan that becomes an observation, is signed by a device key of its party and goes through capture, like
anything that a station sends. The keys of the story are made for it and forgotten; nothing signs with them again.
"""

import secrets
import tomllib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.access.accounts import Account, add_account, set_password
from app.access.passwords import random_password
from app.services import Services
from trace.capture import capture
from trace.identifiers.epc_binary import encode
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.identify import identify
from trace.ledger.keys import PrivateKey, PublicKey
from trace.observe import (
    Amount,
    ColdChain,
    Device,
    Observation,
    ReadPoint,
    observe_pack,
    observe_scan,
    observe_tags,
    observe_transformation,
)
from trace.register import (
    Party,
    Region,
    Site,
    TradeItem,
    add_master_data,
    list_entry,
    new_case,
    party_by_uscc,
    register_key,
)
from trace.supervision.blacklist import BlacklistEntry, State
from trace.times import SetClock

FOLDER = Path(__file__).parent
COMPANY_PREFIX_DIGITS = 7
"""Of the demo's GS1 company prefix, 9520000."""
DELAY = timedelta(seconds=20)
"""From an event to its receipt."""


@dataclass(frozen=True)
class SignIn:
    """A demo account and its password of this start."""

    name: str
    role: str
    password: str


def story_begins(started: datetime, zone_offset: timedelta) -> datetime:
    """A day before its first step: the log is opened then, since receipt times never go back."""
    steps = _steps()
    today = (started + zone_offset).date()
    return min(_moment(step["when"], today, zone_offset) for step in steps) - timedelta(days=1)


def fill(services: Services, clock: SetClock, started: datetime, progress: Callable[[int, int], None]) -> None:
    """Everything, once. `started` is the first start; `progress(done, of)` is called after each step."""
    city = tomllib.loads((FOLDER / "city.toml").read_text(encoding="utf-8"))
    pseudonyms = {name: secrets.token_hex(16) for name in city["parties"]}
    today = services.day_of(started)
    _master_data(services, city, pseudonyms)
    inspectors = [secrets.token_hex(16) for _ in range(2)]
    for number, row in enumerate(city["blacklist"], start=1):
        entry = _entry(number, row, today)
        act = {State.HEARING: "hear", State.LISTED: "publish", State.REPAIRED: "repair"}[entry.state]
        case = new_case(services.settings.origin)
        list_entry(services.authority, entry, case, act, inspectors, services.clock.now())
    moments = [(_moment(step["when"], today, services.zone_offset), step) for step in _steps()]
    devices = _devices(services, clock, city, pseudonyms)
    for done, (moment, step) in enumerate(sorted(moments, key=lambda pair: pair[0]), start=1):
        clock.set(moment + DELAY)
        device = devices[step["by"]]
        seen = _observe(step, _read_point(step, city), moment, services)
        parcel = device.sign(seen.event, at=moment)
        with services.reading() as session:
            capture(
                session, services.settings.platform, services.settings.origin, parcel.to_bytes(), services.sequencer
            )
        progress(done, len(moments))


def make_accounts(services: Services) -> list[SignIn]:
    """The demo accounts with new random passwords; only hashes are kept."""
    city = tomllib.loads((FOLDER / "city.toml").read_text(encoding="utf-8"))
    platform = services.settings.platform
    made = []
    for name, told in city["accounts"].items():
        password = random_password()
        with services.writing() as session:
            if not set_password(session, platform, name, password):
                uscc = city["parties"][told["party"]]["uscc"] if "party" in told else None
                party = None if uscc is None else party_by_uscc(session, platform, uscc)
                account = Account(
                    name, told["role"], None if party is None else party.pseudonym, told.get("region"), *told["display"]
                )
                add_account(session, platform, account, password)
        made.append(SignIn(name, told["role"], password))
    return made


def enrol_station(services: Services, uscc: str, key: PublicKey) -> str:
    """Register the running station's device key for a party; gives the party's pseudonym."""
    with services.reading() as session:
        party = party_by_uscc(session, services.settings.platform, uscc)
    assert party is not None, f"{uscc} is in city.toml"
    told = {"name": party.name_zh, "nameEn": party.name_en, "uscc": party.uscc}
    register_key(services.authority, key, party.pseudonym, "device", services.clock.now(), told)
    return party.pseudonym


def epc_of(code: str) -> tuple[int, bytes]:
    """The RFID tag of a GS1 key, 96 bits: protocol control word and EPC bytes."""
    found = identify(code)
    assert found.key is not None, f"{code}: {found.error}"
    epc = encode(EpcUrn(found.key, COMPANY_PREFIX_DIGITS), filter_value=2)
    return (len(epc) // 2) << 11, epc


def _steps() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = tomllib.loads((FOLDER / "story.toml").read_text(encoding="utf-8"))["step"]
    return steps


def _master_data(services: Services, city: dict[str, Any], pseudonyms: dict[str, str]) -> None:
    parties, sites = [], []
    for name, told in city["parties"].items():
        parties.append(Party(pseudonyms[name], told["uscc"], *told["name"], told["region"], told.get("licence")))
        gln, zh, en = told["site"]
        sites.append(Site(gln, pseudonyms[name], zh, en, told["region"]))
    # The platform signs for others; its steps are shown under its own name.
    parties.append(Party(services.attestation.issuer, "PLATFORM", "溯源平台", "Suyuan platform", "990100", None))
    products = [
        TradeItem(
            gtin,
            *told["name"],
            told["spec"],
            told["sector"],
            pseudonyms[told["maker"]],
            told.get("approval"),
            told.get("drug_prefix"),
            told.get("image"),
        )
        for gtin, told in city["products"].items()
    ]
    regions = [Region(code, zh, en) for code, (zh, en) in city["regions"].items()]
    with services.writing() as session:
        add_master_data(session, services.settings.platform, regions, parties, sites, products)


def _devices(
    services: Services, clock: SetClock, city: dict[str, Any], pseudonyms: dict[str, str]
) -> dict[str, Device]:
    devices = {}
    for name, told in city["parties"].items():
        key = PrivateKey.generate()
        zh, en = told["name"]
        register_key(
            services.authority,
            key.public,
            pseudonyms[name],
            "device",
            clock.now(),
            {"name": zh, "nameEn": en, "uscc": told["uscc"]},
        )
        devices[name] = Device(key, pseudonyms[name], services.settings.origin)
    return devices


def _observe(step: dict[str, Any], where: ReadPoint, at: datetime, services: Services) -> Observation:
    occasion: dict[str, Any] = {
        "at": at,
        "utc_offset": services.utc_offset,
        "origin": services.settings.origin,
        "event_id": f"urn:uuid:{uuid.uuid4()}",
    }
    match step["do"]:
        case "scan":
            return observe_scan(
                _bytes(step["code"]),
                where,
                amount=_amount(step.get("amount", "")),
                cold_chain=_cold(step, at),
                master=step.get("master"),
                **occasion,
            )
        case "tags":
            return observe_tags([epc_of(code) for code in step["codes"]], where, **occasion)
        case "pack" | "unpack":
            return observe_pack(_bytes(step["into"]), [_bytes(code) for code in step["codes"]], where, **occasion)
        case "make":
            inputs, outputs = (
                [(_bytes(code), _amount(amount)) for code, amount in step[side]] for side in ("inputs", "outputs")
            )
            return observe_transformation(inputs, outputs, where, **occasion)
    raise ValueError(f"story step at {step['when']}: do {step['do']!r}: expected scan, tags, pack, unpack or make")


def _read_point(step: dict[str, Any], city: dict[str, Any]) -> ReadPoint:
    gln = city["parties"][step.get("at", step["by"])]["site"][0]
    biz_step, disposition = step["step"]
    adds = step.get("add", False) or step["do"] == "pack"
    action = "ADD" if adds else "DELETE" if step["do"] == "unpack" else "OBSERVE"
    place = f"https://id.gs1.org/414/{gln}"
    return ReadPoint(place, place, biz_step, disposition, action)


def _bytes(code: str) -> bytes:
    return code.replace("<GS>", "\x1d").encode("utf-8")


def _amount(text: str) -> Amount | None:
    if not text:
        return None
    number, _, unit = text.partition(" ")
    return Amount(Decimal(number), unit or None)


def _cold(step: dict[str, Any], at: datetime) -> ColdChain | None:
    told = step.get("cold")
    if told is None:
        return None
    start = at - timedelta(hours=told["hours"])
    return ColdChain(start, at, Decimal(told["low"]), Decimal(told["high"]), told.get("alarm", False))


def _moment(text: str, today: date, zone_offset: timedelta) -> datetime:
    """`-6 06:20`: six days before the first start, twenty past six in the city."""
    days, clock = text.split(" ")
    hour, minute = clock.split(":")
    local = datetime.combine(today + timedelta(days=int(days)), time(int(hour), int(minute)))
    return (local - zone_offset).replace(tzinfo=UTC)


def _entry(number: int, row: dict[str, Any], today: date) -> BlacklistEntry:
    listed = today + timedelta(days=row["listed"]) if "listed" in row else None
    return BlacklistEntry(
        entry_id=number,
        name=row["name"],
        uscc=row["uscc"],
        category=row["category"],
        region=row["region"],
        ground=row["ground"],
        basis=row["basis"],
        decision_number=row.get("decision_number"),
        authority=row["authority"],
        listed_on=listed,
        until=None if listed is None else _years_later(listed, row["years"]),
        state=State(row["state"]),
        removed_on=today + timedelta(days=row["removed"]) if "removed" in row else None,
        removal_reason=row.get("removal_reason"),
    )


def _years_later(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
