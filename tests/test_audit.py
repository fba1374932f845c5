"""The auditing door: an honest log has no findings, and no change of one row goes unnamed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from build import (
    FLOUR,
    ORIGIN,
    START,
    World,
    auditor,
    case_code,
    event_of,
    item_code,
    item_uri,
    lot_code,
    private_key,
    pseudonym,
    running,
    settings,
)
from sqlalchemy import insert, text, update
from sqlalchemy.orm import Session

from app.database import Database
from app.services import Services
from tests.signing import own_key
from trace import register
from trace.audit import Audit, Finding
from trace.errors import ForkError, NotFoundError, TraceError
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import sign_checkpoint
from trace.ledger.disclosure import Disclosure, split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import ItemLine, KeyLine, Leaf, RevokeLine, item_key
from trace.ledger.merkle import Tree
from trace.ledger.payload import Hop, Signer, digests, parse_payload
from trace.observe import ColdChain, Device
from trace.store import ledger_rows
from trace.store.rows import Base, DisclosureRow, EnvelopeRow, HeadRow, LeafRow

SSCC = "095200000000001841"


def tell_story(world: World) -> None:
    """Some fifteen entries with everything that a log can hold."""
    farm, plant, shop = world.firm("farm"), world.firm("plant"), world.firm("shop")
    cold = ColdChain(START, START, Decimal("2.4"), Decimal("9.5"), alarm=True)
    world.scan(farm, lot_code("B1", FLOUR), "commissioning", action="ADD", cold_chain=cold)
    world.clock.advance(hours=1)
    world.services.publish_now()
    world.transform(plant, [lot_code("B1", FLOUR)], [lot_code("LOT7")])
    world.scan(plant, item_code("A1"), "packing", action="ADD", documents={"po": "urn:epcglobal:cbv:bt:1:2"})
    world.scan(plant, item_code("A2"), "packing", action="ADD")
    world.pack(plant, case_code(SSCC), [item_code("A1"), item_code("A2")])
    world.clock.advance(hours=1)
    world.attest(pseudonym("stall"), case_code(SSCC))
    world.pack(shop, case_code(SSCC), [], action="DELETE")
    copy = Device(shop.key, shop.pseudonym, ORIGIN, shop.device.seq, shop.device.prev)
    world.scan(shop, item_code("A1"), "retail_selling", disposition="retail_sold")
    with pytest.raises(ForkError):
        world.send(copy.sign(event_of([item_uri("A9")]), at=START))
    register.revoke_key(world.services.authority, farm.key_id, 3, world.clock.now())
    world.services.publish_now()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A story that is over: nobody writes any more."""
    folder = tmp_path_factory.mktemp("told")
    with running(folder) as world:
        tell_story(world)
        world.services.sequencer.stop()
        yield world.services


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


class UndoError(Exception):
    """Rolls a transaction back."""


@contextmanager
def open_to_change(services: Services) -> Iterator[Session]:
    """A transaction in which the ledger tables take any statement; in the end the log is as it was."""
    try:
        with services.writing() as session:
            for table in ("leaf", "envelope", "checkpoint"):
                session.execute(text(f"DROP TRIGGER {table}_no_update"))
                session.execute(text(f"DROP TRIGGER {table}_no_delete"))
            session.execute(text("DROP TRIGGER disclosure_no_update"))
            yield session
            raise UndoError
    except UndoError:
        pass


def findings_in(session: Session, services: Services, *changes: tuple[str, dict[str, Any]]) -> list[Finding]:
    """What an audit says of a log in which these statements were run."""
    with session.begin_nested() as changed:
        for statement, values in changes:
            session.execute(text(statement), values)
        found = list(auditor(services).findings(session))
        changed.rollback()
    return found


def findings_after(services: Services, *changes: tuple[str, dict[str, Any]]) -> list[Finding]:
    with open_to_change(services) as session:
        return findings_in(session, services, *changes)


def rows_of(services: Services, table: str) -> list[dict[str, Any]]:
    with services.reading() as session:
        return [dict(row) for row in session.execute(text(f"SELECT * FROM {table}")).mappings()]


def flipped(column: str, value: Any, n: int) -> Any:
    """Another value of the same kind: one byte is different, at a place that `n` chooses."""
    if value is None:
        return bytes(32) if column == "prev" else 1
    if column == "celsius_alarm":
        return 1 - value
    if isinstance(value, int):
        # Far away, where no other row is.
        return value + 1 if column == "platform" else value + 100_000
    if isinstance(value, float):
        return value + 1
    at = (0, len(value) // 2, len(value) - 1)[n % 3]
    if isinstance(value, bytes):
        return value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    return value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]


# ---- an honest log ----------------------------------------------------------------------------------------


def test_an_honest_log_has_no_findings(told: Services) -> None:
    run = auditor(told)
    with told.reading() as session:
        assert list(run.findings(session)) == []
    assert (run.leaves, run.erased) == (14, 0)
    assert run.checkpoints >= 2


def test_a_disclosure_that_is_gone_without_an_erasure_is_named(told: Services) -> None:
    run = auditor(told)
    with pytest.raises(UndoError), told.writing() as session:
        session.execute(text("UPDATE disclosure SET text = '' WHERE access IN ('personal', 'partner')"))
        found = list(run.findings(session))
        assert {each.what.split(" ", 2)[2] for each in found} == {"is missing, and no leaf says that it was erased"}
        assert run.erased == len(found) == 11
        raise UndoError


def test_batches_make_no_difference(told: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trace.audit.BATCH", 3)
    assert findings_after(told) == []


def test_there_must_be_a_log(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    try:
        database.migrate()
        run = Audit(1, ORIGIN, "", bytes(32))
        with database.reading() as session, pytest.raises(NotFoundError, match=r"^there is no log here yet$"):
            list(run.findings(session))
    finally:
        database.close()


def test_the_item_secret_is_not_shown(told: Services) -> None:
    assert "item_secret" not in repr(auditor(told)) + repr(told.log)


# ---- one row is changed --------------------------------------------------------------------------------------

LEAF_OF = {"leaf": "leaf_index", "envelope": "leaf_index", "disclosure": "leaf_index", "event": "leaf_index"}
LEAF_OF |= {"item_hop": "leaf_index", "key": "registered_leaf"}
LEAF_OF |= {"containment": "from_leaf", "transformation": "leaf_index"}
GRAPH = ("containment", "transformation")
LOOKED_AT = {"item": {"uri", "hops", "last_leaf"}}
"""Columns of the item table that audit looks at; the others describe the thing and come from its events."""


def named_for(table: str, row: dict[str, Any]) -> set[int | None]:
    """What a finding about this row may name."""
    if table == "item":
        return {*range(14), None}
    if table not in LEAF_OF:
        return {None}
    leaf_index = row[LEAF_OF[table]]
    # A row that was moved to another leaf is named where it is now; of a key its row may be all there is.
    return {leaf_index, leaf_index + 100_000, *([None] if table == "key" else [])}


@pytest.mark.parametrize(
    "table", ["leaf", "envelope", "disclosure", "checkpoint", "head", "key", "event", "item_hop", "item", *GRAPH]
)
def test_a_byte_that_is_changed_in_any_column_of_any_row_is_found_and_named(told: Services, table: str) -> None:
    unseen = []
    keys = [column.name for column in Base.metadata.tables[table].primary_key]
    where = " AND ".join(f"{key} = :old_{key}" for key in keys)
    changes = [
        # Any number but 0 is true: of a boolean, only the other value says something else.
        (row, column, 1 - value if column == "is_output" else flipped(column, value, n + m))
        for n, row in enumerate(rows_of(told, table))
        for m, (column, value) in enumerate(row.items())
        if column in LOOKED_AT.get(table, row)
    ]
    with open_to_change(told) as session:
        for row, column, new in changes:
            values = {"new": new, **{f"old_{key}": row[key] for key in keys}}
            found = findings_in(session, told, (f"UPDATE {table} SET {column} = :new WHERE {where}", values))
            if not {finding.leaf_index for finding in found} & named_for(table, row):
                unseen.append((row, column, new, found))
    assert unseen == []


@pytest.mark.parametrize("table", ["leaf", "envelope", "event", "item_hop", "key", *GRAPH])
def test_a_row_that_is_taken_away_is_named(told: Services, table: str) -> None:
    for row in rows_of(told, table):
        leaf_index = row[LEAF_OF[table]]
        found = findings_after(told, (f"DELETE FROM {table} WHERE {LEAF_OF[table]} = :leaf", {"leaf": leaf_index}))
        assert leaf_index in {finding.leaf_index for finding in found}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("leaf", "record"),
        ("envelope", "payload_type"),
        ("envelope", "key_id"),
        ("disclosure", "text"),
        ("checkpoint", "note"),
    ],
)
def test_text_that_is_no_longer_utf_8_is_named_too(world: World, table: str, column: str) -> None:
    world.scan(world.firm("farm"), item_code("A1"))
    world.services.publish_now()
    place = "size" if table == "checkpoint" else "leaf_index"
    with world.services.writing() as session:
        session.execute(text(f"DROP TRIGGER {table}_no_update"))
        session.execute(
            text(
                f"UPDATE {table} SET {column} = CAST(substr(CAST({column} AS BLOB), 1, 9) || x'ff' || "
                f"substr(CAST({column} AS BLOB), 11) AS TEXT) WHERE {place} = (SELECT max({place}) FROM {table})"
            )
        )
    found, _ = world.audit()
    assert (None if table == "checkpoint" else 3) in {finding.leaf_index for finding in found}


def test_one_bad_entry_is_not_reported_as_a_hundred(told: Services) -> None:
    """The registration of a device that signed several leaves."""
    change = "UPDATE envelope SET signature = zeroblob(64) WHERE leaf_index = 3"
    found = findings_after(told, (change, {}))
    assert {finding.leaf_index for finding in found} == {3}
    assert [finding.what for finding in found] == [
        "envelope is not the one that the leaf commits to",
        f"signature does not belong to these bytes and key {told.authority.public.key_id[:16]}…",
    ]


def test_a_hole_is_named_and_ends_the_audit_behind_what_could_be_checked(told: Services) -> None:
    found = findings_after(
        told,
        ("DELETE FROM leaf WHERE leaf_index = 5", {}),
        ("UPDATE envelope SET rcv_ms = 0 WHERE leaf_index = 4", {}),
    )
    assert found == [
        Finding(4, "columns seq, prev, rcv of the envelope do not repeat the leaf"),
        Finding(5, "missing: the next stored leaf is 6"),
    ]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE head SET size = 13", [Finding(None, "head says 13 leaves, 14 are stored")]),
        ("UPDATE head SET root = zeroblob(32)", [Finding(None, "the leaves do not give the head's root over 14")]),
        ("UPDATE head SET rcv_ms = 0", [Finding(None, "columns origin and rcv of the head do not repeat the leaves")]),
        ("DELETE FROM head", [Finding(None, "there is no head, 14 leaves are stored")]),
    ],
)
def test_a_head_that_is_wrong_is_named(told: Services, statement: str, found: list[Finding]) -> None:
    assert findings_after(told, (statement, {})) == found


def test_a_key_row_that_the_log_does_not_know_is_named(told: Services) -> None:
    other = private_key("thief").public
    planted = (
        "INSERT INTO key (platform, key_id, algorithm, raw, issuer, role, registered_leaf) "
        "VALUES (1, :id, 1, :raw, :issuer, 'authority', 0)"
    )
    values = {"id": other.key_id, "raw": other.raw, "issuer": pseudonym("thief")}
    assert findings_after(told, (planted, values)) == [
        Finding(None, f"key {other.key_id[:16]}…: a key row that no leaf registers")
    ]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("leaf SET record = CAST(record AS BLOB)", "column record holds bytes, expected str"),
        ("leaf SET leaf_hash = 'x'", "column leaf_hash holds str, expected bytes"),
        ("envelope SET payload = payload || ' '", "column payload holds str, expected bytes"),
        (
            "envelope SET signature = 7, seq = x'00'",
            "column signature holds int, expected bytes; column seq holds bytes",
        ),
        ("disclosure SET text = x'05'", "disclosure 0: column text holds bytes, expected str"),
        ("disclosure SET position = 'first'", "disclosure first: column position holds str, expected int"),
    ],
)
def test_a_value_of_another_type_is_named_and_the_audit_goes_on(told: Services, change: str, found: str) -> None:
    where = "leaf_index = 9" + (" AND position = 0" if change.startswith("disclosure") else "")
    findings = findings_after(
        told, (f"UPDATE {change} WHERE {where}", {}), ("UPDATE envelope SET rcv_ms = 0 WHERE leaf_index = 11", {})
    )
    assert any(each.leaf_index == 9 and each.what.startswith(found) for each in findings)
    assert {9, 11} <= {each.leaf_index for each in findings}


# ---- entries that no honest log would write -------------------------------------------------------------------


def forge(world: World, parcel: Parcel, body: Any = None, **changes: Any) -> int:
    """Append an entry past the sequencer, every hash computed as it should be: what an operator can do."""
    payload = parse_payload(parcel.envelope)
    with world.services.writing() as session:
        head = ledger_rows.require_head(session, 1)
        if body is None:
            body = _lines(world, session, payload, parcel)
        leaf = Leaf(
            origin=ORIGIN,
            kind=payload.head.kind,
            issuer=payload.head.issuer,
            device=payload.head.device,
            seq=payload.head.seq,
            prev=payload.head.prev,
            rcv_ms=head.rcv_ms,
            env_hash=parcel.envelope.env_hash,
            body=body,
        )
        leaf = replace(leaf, **changes)
        _write(session, head.size, leaf, parcel, payload)
        hashes = ledger_rows.leaf_hashes(session, 1, 0, head.size + 1)
        session.execute(update(HeadRow).values(size=head.size + 1, root=Tree(hashes).root(), rcv_ms=leaf.rcv_ms))
    return head.size


def _lines(world: World, session: Session, payload: Any, parcel: Parcel) -> Any:
    if not isinstance(payload, Hop):
        return (
            KeyLine(payload.key, payload.issuer, payload.role)
            if payload.head.kind == "keyreg"
            else RevokeLine(payload.key_id, payload.compromised_from)
        )
    values = {each.digest: each.value for each in map(Disclosure.parse, parcel.disclosures)}
    return tuple(ItemLine(item_key(world.log.item_secret, values[digest]), 1, None, None) for digest in payload.items)


def _write(session: Session, index: int, leaf: Leaf, parcel: Parcel, payload: Any) -> None:
    envelope = parcel.envelope
    here = {"platform": 1, "leaf_index": index}
    session.execute(
        insert(LeafRow).values(**here, record=leaf.record(), leaf_hash=leaf.leaf_hash(), envelope_leaf=index)
    )
    columns = asdict(envelope)
    columns |= {"payload_hash": envelope.payload_hash, "seq": leaf.seq, "prev": leaf.prev, "rcv_ms": leaf.rcv_ms}
    session.execute(insert(EnvelopeRow).values(**here, **columns))
    items = frozenset(payload.items) if isinstance(payload, Hop) else frozenset()
    places = digests(payload)
    for told in map(Disclosure.parse, parcel.disclosures):
        position, access = places.index(told.digest), str(told.access(items))
        session.execute(insert(DisclosureRow).values(**here, position=position, access=access, text=told.text))


def said(world: World, index: int) -> list[str]:
    """What the audit says of this leaf, apart from its missing index rows."""
    found, _ = world.audit()
    return [
        finding.what
        for finding in found
        if finding.leaf_index == index
        and not finding.what.startswith(("event row", "columns of the event", "hop rows"))
    ]


def keyreg(signer: Signer, name: str, role: str = "device", issuer: str | None = None) -> Parcel:
    public = b64u(private_key(name).public.raw)
    body = {"alg": 1, "public": public, "issuer": issuer or pseudonym(name), "role": role}
    return signer.statement("keyreg", body, split({}), START)


KEY_ROW = f"key {private_key('thief').key_id[:16]}…: the key row does not repeat the leaves"
"""The sequencer never saw it."""


def signer_of(world: World, name: str, role: str = "device") -> Signer:
    firm = world.firm(name, role)
    return Signer(firm.key, firm.pseudonym, ORIGIN)


@pytest.mark.parametrize("role", ["device", "enterprise"])
def test_a_registration_by_who_may_not_is_found(world: World, role: str) -> None:
    signer = signer_of(world, "firm", role)
    index = forge(world, keyreg(signer, "thief"))
    assert said(world, index) == [f"key {signer.key_id[:16]}… of role {role} may not sign this keyreg", KEY_ROW]


def test_an_enterprise_may_register_and_revoke_its_own(world: World) -> None:
    boss, other = signer_of(world, "boss", "enterprise"), world.firm("other")
    mine = private_key("mine").key_id
    world.send(keyreg(boss, "mine", issuer=boss.issuer))
    world.send(boss.statement("keyrev", {"key": mine, "compromisedFrom": None}, split({}), START))
    assert world.audit()[0] == []
    index = forge(world, boss.statement("keyrev", {"key": other.key_id, "compromisedFrom": None}, split({}), START))
    assert said(world, index) == [f"key {boss.key_id[:16]}… of role enterprise may not sign this keyrev"]


def test_a_key_line_that_is_not_the_payloads_is_found(world: World) -> None:
    boss = signer_of(world, "boss", "enterprise")
    thief = private_key("thief").public
    line = KeyLine(thief, boss.issuer, "authority")
    index = forge(world, keyreg(boss, "mine", issuer=boss.issuer), body=line)
    wanted = KeyLine(private_key("mine").public, boss.issuer, "device").line()
    assert said(world, index)[0] == f"key line does not repeat the payload: {wanted}"


def test_a_hop_for_others_by_a_device_is_found_and_one_of_its_own_by_the_platform(world: World) -> None:
    firm = world.firm("farm")
    received = Disclosure.make("attests/received", b64u(b"x"), bytes(16))
    cut = split(event_of([item_uri("A1")]))
    body = firm.body(cut, attests={"for": pseudonym("other"), "received": received.digest})
    index = forge(world, firm.sign(canonical(body), [*cut.disclosures, received]))
    assert said(world, index) == [f"key {firm.key_id[:16]}… of role device may not sign this hop"]


def test_a_hop_by_a_stranger_is_found(world: World) -> None:
    stranger = Device(private_key("stranger"), pseudonym("stranger"), ORIGIN)
    index = forge(world, stranger.sign(event_of([item_uri("A1")]), at=START))
    assert said(world, index) == [f"key {stranger.key_id[:16]}… is not registered before this leaf"]


def test_a_key_revoked_in_the_log_signs_nothing_behind_it(world: World) -> None:
    boss = signer_of(world, "boss", "enterprise")
    world.send(boss.statement("keyrev", {"key": boss.key_id, "compromisedFrom": None}, split({}), START))
    index = forge(world, keyreg(boss, "mine", issuer=boss.issuer))
    assert said(world, index)[0] == f"key {boss.key_id[:16]}… was revoked at leaf 3"


def test_a_hop_in_another_partys_name_is_found(world: World) -> None:
    firm = world.firm("farm")
    cut = split(event_of([item_uri("A1")]))
    parcel = firm.sign(canonical(firm.body(cut, iss=pseudonym("other"))), cut.disclosures)
    index = forge(world, parcel)
    assert said(world, index) == [
        f"key {firm.key_id[:16]}… belongs to issuer {firm.pseudonym}, the leaf says {pseudonym('other')}"
    ]


def test_a_hop_told_twice_is_found(world: World) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    first = world.send(parcel).leaf_index
    before = Leaf.parse(world.scan(firm, item_code("A2")).leaf)
    with world.services.writing() as session:
        leaf = ledger_rows.leaves_at(session, 1, [first])[first]
        head = ledger_rows.require_head(session, 1)
        old = Leaf.parse(leaf.record)
        assert isinstance(old.body, tuple)
        again = replace(
            old, rcv_ms=before.rcv_ms, body=(replace(old.body[0], ord=2, prev_index=first, prev_hash=leaf.leaf_hash),)
        )
        values = {"record": again.record(), "leaf_hash": again.leaf_hash(), "envelope_leaf": first}
        session.execute(insert(LeafRow).values(platform=1, leaf_index=head.size, **values))
        hashes = ledger_rows.leaf_hashes(session, 1, 0, head.size + 1)
        session.execute(update(HeadRow).values(size=head.size + 1, root=Tree(hashes).root()))
    assert said(world, head.size)[:2] == [
        f"names the envelope of leaf {first}",
        f"seq 1 of device {firm.key_id[:16]}… is leaf {first}",
    ]


def test_a_line_for_another_item_is_found(world: World) -> None:
    parcel = world.firm("farm").device.sign(event_of([item_uri("A1")]), at=START)
    other = ItemLine(item_key(world.log.item_secret, item_uri("A2")), 1, None, None)
    index = forge(world, parcel, body=(other,))
    assert said(world, index)[0] == f"item line 1 is not the item key of {item_uri('A1')}"


def test_lines_that_are_fewer_than_the_items_are_found(world: World) -> None:
    parcel = world.firm("farm").device.sign(event_of([item_uri("A1")]), at=START)
    assert said(world, forge(world, parcel, body=()))[0] == "0 item lines for 1 items of the payload"


def test_a_hop_that_is_hidden_from_the_chain_of_its_item_is_found(world: World) -> None:
    firm = world.firm("farm")
    first = world.scan(firm, item_code("A1"))
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    index = forge(world, parcel)  # begins the item's chain anew
    before = Leaf.parse(first.leaf)
    assert isinstance(before.body, tuple)
    key = before.body[0].key
    wanted = ItemLine(key, 2, first.leaf_index, before.leaf_hash()).line()
    assert said(world, index)[0] == f"item line 1: {before.body[0].line()}: expected {wanted}"


def test_a_broken_chain_of_a_device_is_found(world: World) -> None:
    firm = world.firm("farm")
    first = world.scan(firm, item_code("A1")).leaf_index
    cut = split(event_of([item_uri("A2")]))
    parcel = firm.sign(canonical(firm.body(cut, prev=b64u(bytes(32)))), cut.disclosures)
    index = forge(world, parcel)
    assert said(world, index) == [f"device {firm.key_id[:16]}…: seq 2 does not name the payload of leaf {first}"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rcv_ms": 5}, f"received at 5, before the leaf in front of it ({int(START.timestamp() * 1000)})"),
        ({"origin": "other.example"}, "origin other.example: expected trace.example"),
        ({"seq": 2, "prev": bytes(32)}, "first and issuer line do not repeat the payload"),
        ({"env_hash": bytes(32)}, "envelope is not the one that the leaf commits to"),
        ({"part": 2, "parts": 2}, "names the envelope of leaf 3"),
    ],
)
def test_a_leaf_that_does_not_say_what_was_signed_is_found(world: World, changes: Any, message: str) -> None:
    parcel = world.firm("farm").device.sign(event_of([item_uri("A1")]), at=START)
    assert message in said(world, forge(world, parcel, **changes))


def test_a_checkpoint_over_another_tree_is_found(world: World) -> None:
    world.services.publish_now()
    key = own_key(world.services.settings, "log")
    with world.services.writing() as session:
        ledger_rows.add_checkpoint(session, 1, sign_checkpoint(ORIGIN, 1, bytes(32), key))
        ledger_rows.add_checkpoint(session, 1, sign_checkpoint(ORIGIN, 99, bytes(32), key))
    found, _ = world.audit()
    assert found == [
        Finding(None, "the first 1 leaves do not give the root that was signed"),
        Finding(None, "a checkpoint over 99 leaves was signed, 2 are stored"),
    ]


def test_every_damaged_entry_of_a_log_is_named_at_once(told: Services) -> None:
    damaged: Sequence[int] = (2, 4, 7, 9, 12)
    changes = [
        ("UPDATE envelope SET payload = zeroblob(9) WHERE leaf_index = :leaf", {"leaf": leaf}) for leaf in damaged
    ]
    found = findings_after(told, *changes)
    assert {finding.leaf_index for finding in found} >= set(damaged)


def test_a_second_authority_is_found(world: World) -> None:
    first = world.services.authority
    with world.services.reading() as session:
        seq, prev = ledger_rows.last_of_device(session, 1, first.public.key_id)
    authority = Signer(own_key(world.services.settings, "authority"), first.issuer, ORIGIN, seq, prev)
    index = forge(world, keyreg(authority, "thief", "authority"))
    assert said(world, index) == [f"key {authority.key_id[:16]}… of role authority may not sign this keyreg", KEY_ROW]


# ---- going on from the last audited checkpoint ------------------------------------------------------------------


def resumed(services: Services, size: int) -> Audit:
    """An audit that goes on from the checkpoint over `size` leaves."""
    with services.reading() as session:
        notes = {each.size: each.note for each in ledger_rows.checkpoints(session, 1, ORIGIN)}
    run = auditor(services)
    run.resume(notes[size])
    return run


def sizes(services: Services) -> list[int]:
    with services.reading() as session:
        return [each.size for each in ledger_rows.checkpoints(session, 1, ORIGIN)]


def resumed_after(services: Services, size: int, *changes: str) -> list[Finding]:
    run = resumed(services, size)
    with open_to_change(services) as session:
        for change in changes:
            session.execute(text(change))
        return list(run.findings(session))


def test_an_audit_that_goes_on_from_any_checkpoint_agrees_and_ends_with_the_newest(told: Services) -> None:
    assert len(sizes(told)) >= 2
    for size in sizes(told):
        run = resumed(told, size)
        with told.reading() as session:
            assert run.size(session) == 14
            assert list(run.findings(session)) == []
        assert run.audited is not None
        assert (run.leaves, run.audited.size) == (14, sizes(told)[-1])


def test_progress_is_told_as_it_goes(told: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trace.audit.BATCH", 5)
    run, done = auditor(told), []
    run.on_progress = done.append
    with told.reading() as session:
        assert list(run.findings(session)) == []
    assert done == [5, 10, 14]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE leaf SET leaf_hash = zeroblob(32) WHERE leaf_index = 4", {4}),
        ("UPDATE leaf SET record = replace(record, 'rcv 1', 'rcv 2') WHERE leaf_index = 4", {4, None}),
        ("UPDATE envelope SET payload = CAST(payload || ' ' AS BLOB) WHERE leaf_index = 4", {4}),
        ("UPDATE envelope SET signature = zeroblob(64) WHERE leaf_index = 4", {4}),
        ("UPDATE envelope SET seq = 77 WHERE leaf_index = 4", {4}),
        ("DELETE FROM envelope WHERE leaf_index = 4", {4}),
        ("DELETE FROM leaf WHERE leaf_index = 4", {4}),
        ("UPDATE item SET hops = 9 WHERE item_id = 1", {6}),
        ("UPDATE key SET role = 'authority' WHERE registered_leaf = 3", {3}),
        ("UPDATE checkpoint SET root = zeroblob(32)", {None}),
    ],
)
def test_what_leaves_commit_to_is_looked_at_before_the_last_checkpoint_too(
    told: Services, change: str, found: set[int | None]
) -> None:
    assert {finding.leaf_index for finding in resumed_after(told, sizes(told)[-1], change)} >= found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE disclosure SET access = 'partner' WHERE leaf_index = 5",
        "UPDATE event SET body = '{}' WHERE leaf_index = 5",
        "UPDATE item_hop SET ord = 9 WHERE leaf_index = 5",
    ],
)
def test_what_no_leaf_commits_to_is_only_looked_at_behind_the_last_checkpoint(told: Services, change: str) -> None:
    assert resumed_after(told, sizes(told)[-1], change) == []
    assert {finding.leaf_index for finding in resumed_after(told, sizes(told)[0], change)} == {5}
    assert sizes(told)[0] <= 5


def test_a_leaf_rewritten_with_all_its_hashes_does_not_give_the_root_that_was_audited(told: Services) -> None:
    """The operator has the log key too: a forger who signs anew is found by who kept the old checkpoint."""
    with told.reading() as session:
        record = ledger_rows.leaves_at(session, 1, [13])[13].record
    other = replace(Leaf.parse(record), rcv_ms=Leaf.parse(record).rcv_ms + 1)
    run = resumed(told, 14)
    with open_to_change(told) as session:
        for statement, values in (
            ("UPDATE leaf SET record = :record, leaf_hash = :hash WHERE leaf_index = 13", vars(other)),
            ("UPDATE envelope SET rcv_ms = :rcv_ms WHERE leaf_index = 13", vars(other)),
            ("UPDATE head SET rcv_ms = :rcv_ms", vars(other)),
            ("DELETE FROM checkpoint WHERE size = 14", vars(other)),
        ):
            session.execute(text(statement), {**values, "record": other.record(), "hash": other.leaf_hash()})
        hashes = ledger_rows.leaf_hashes(session, 1, 0, 14)
        session.execute(update(HeadRow).values(root=Tree(hashes).root()))
        found = list(run.findings(session))
    assert found == [
        Finding(
            None,
            "the first 14 leaves do not give the root that was audited before; an audit of the whole log says more",
        )
    ]


def test_a_tail_that_is_gone_with_its_checkpoint_is_missed_by_who_audited_it(told: Services) -> None:
    found = resumed_after(
        told,
        14,
        "DELETE FROM leaf WHERE leaf_index = 13",
        "DELETE FROM envelope WHERE leaf_index = 13",
        "DELETE FROM checkpoint WHERE size = 14",
    )
    assert Finding(None, "14 leaves were audited before, 13 are stored") in found


def test_what_is_no_checkpoint_of_this_log_is_nothing_to_go_on_from(told: Services) -> None:
    with pytest.raises(TraceError, match=r"^note: expected text, a blank line and signature lines"):
        auditor(told).resume("")
    other = sign_checkpoint(ORIGIN, 3, bytes(32), private_key("thief")).note
    with pytest.raises(TraceError, match=r"^checkpoint: no signature by the log key"):
        auditor(told).resume(other)


def test_packing_that_was_only_seen_moves_nothing(world: World) -> None:
    plant = world.firm("plant")
    world.pack(plant, case_code(SSCC), [item_code("A1")])
    world.pack(plant, case_code(SSCC), [item_code("A1")], action="OBSERVE")
    assert world.audit()[0] == []


def test_packing_is_followed_across_the_last_checkpoint(world: World) -> None:
    plant = world.firm("plant")
    world.scan(plant, item_code("A1"), "packing", action="ADD")
    world.pack(plant, case_code(SSCC), [item_code("A1")])
    world.services.publish_now()
    middle = sizes(world.services)[-1]
    world.pack(plant, case_code(SSCC), [], action="DELETE")
    world.transform(plant, [item_code("A1")], [lot_code("LOT9")])
    assert resumed_after(world.services, middle) == []
    wrong = "UPDATE containment SET to_leaf = NULL"
    assert {finding.leaf_index for finding in resumed_after(world.services, middle, wrong)} == {middle - 1}
