"""Leaves that are no plain hop: corrections, cases, erasures, rotations, other logs. Through the doors, and audited."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from build import (
    ORIGIN,
    World,
    case_code,
    case_uri,
    event_of,
    item_code,
    item_uri,
    lot_code,
    lot_uri,
    private_key,
    pseudonym,
    running,
)

from trace import attest, register
from trace.errors import ConflictError, LimitError, NotFoundError, RevokedKeyError, TraceError, ValidationError
from trace.ledger.canonical import JsonObject
from trace.ledger.checkpoint import sign_checkpoint
from trace.ledger.disclosure import Disclosure, split, split_case
from trace.ledger.encoding import b64u
from trace.ledger.leaf import CorrectLine, Leaf, record_hash
from trace.ledger.payload import Attested, Seen, Signer
from trace.ledger.verify import Outcome, verify_package
from trace.observe import Device
from trace.store import ledger_rows, supervision_rows, trace_rows
from trace.store.intake import Receipt
from trace.supervision.blacklist import BlacklistEntry, Listing, State, Status

SSCC = "095200000000001841"
INSPECTORS = [pseudonym("inspector"), pseudonym("chief")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as made:
        yield made


def proven(world: World, uri: str) -> Outcome:
    package = json.dumps(world.proof(uri)).encode()
    report = verify_package(package, log_key=world.log.verifier_key, expected_uri=uri)
    assert [check for check in report.checks if not check.ok] == []
    return report.outcome


def in_order(world: World) -> bool:
    return world.audit()[0] == []


def body_of(world: World, leaf_index: int) -> JsonObject:
    with world.services.reading() as session:
        found: JsonObject = json.loads(trace_rows.event_bodies(session, 1, [leaf_index])[leaf_index])
    return found


def declared(world: World, firm: Any, receipt: Receipt, **changes: Any) -> Receipt:
    """The firm's own device declares that its hop was an error; `changes` twist the event."""
    event = body_of(world, receipt.leaf_index) | {
        "errorDeclaration": {"declarationTime": "2026-11-24T01:00:00.000Z", "reason": "incorrect_data"}
    }
    event = {name: value for name, value in (event | changes).items() if value is not None}
    corrects = CorrectLine(receipt.leaf_index, record_hash(receipt.leaf))
    return world.send(firm.device.sign(event, at=world.clock.now(), corrects=corrects))


def wrong(world: World, by: Any, leaf_index: int, reason: str = "did_not_occur") -> Receipt:
    """The door for whoever has no device."""
    with world.services.reading() as session:
        return attest.declare_error(session, 1, by, leaf_index, reason, world.clock.now())


# ---- corrections ----------------------------------------------------------------------------------


def test_a_sale_that_did_not_happen_is_no_sale_any_more(world: World) -> None:
    shop = world.firm("shop")
    world.scan(shop, item_code("A1"), "commissioning", action="ADD")
    sold = world.scan(shop, item_code("A1"), "retail_selling", disposition="retail_sold")
    assert world.story(item_uri("A1")).sales == 1
    world.clock.advance(hours=1)
    receipt = declared(world, shop, sold)
    assert Leaf.parse(receipt.leaf).corrects == CorrectLine(sold.leaf_index, record_hash(sold.leaf))
    story = world.story(item_uri("A1"))
    assert story.sales == 0
    assert [(hop.biz_step, hop.corrected_reason) for hop in story.hops] == [
        ("commissioning", None),
        ("retail_selling", "incorrect_data"),
    ]
    assert [hop.biz_step for hop in story.valid_hops] == ["commissioning"]
    assert proven(world, item_uri("A1")) is Outcome.VALID
    assert in_order(world)


def test_a_step_typed_for_a_party_is_corrected_by_the_platform_for_that_party(world: World) -> None:
    farm = world.firm("farm")
    receipt = world.attest(farm.pseudonym, item_code("A1"))
    wrong(world, world.services.attestation, receipt.leaf_index)
    assert [hop.corrected_reason for hop in world.story(item_uri("A1")).hops] == ["did_not_occur"]
    assert proven(world, item_uri("A1")) is Outcome.VALID
    assert in_order(world)


def test_the_authority_may_declare_any_hop_an_error(world: World) -> None:
    receipt = world.scan(world.firm("farm"), item_code("A1"))
    wrong(world, world.services.authority, receipt.leaf_index)
    assert proven(world, item_uri("A1")) is Outcome.VALID
    assert in_order(world)


def test_goods_that_were_packed_by_mistake_are_where_they_were_before(world: World) -> None:
    plant = world.firm("plant")
    other = "095200000000001858"
    for serial in ("A1", "A2"):
        world.scan(plant, item_code(serial), "commissioning", action="ADD")
    world.pack(plant, case_code(SSCC), [item_code("A1"), item_code("A2")])
    mistake = world.pack(plant, case_code(other), [item_code("A1")])
    assert world.story(case_uri(SSCC)).inside == (item_uri("A2"),)
    declared(world, plant, mistake)
    assert world.story(case_uri(SSCC)).inside == (item_uri("A1"), item_uri("A2"))
    assert world.story(case_uri(other)).inside == ()
    assert in_order(world)
    emptied = world.pack(plant, case_code(SSCC), [], "DELETE")
    assert world.story(case_uri(SSCC)).inside == ()
    declared(world, plant, emptied)
    assert world.story(case_uri(SSCC)).inside == (item_uri("A1"), item_uri("A2"))
    assert in_order(world)


def test_what_was_not_made_of_something_does_not_come_from_it(world: World) -> None:
    mill = world.firm("mill")
    world.scan(mill, lot_code("WHEAT"), "commissioning", action="ADD")
    made = world.transform(mill, [lot_code("WHEAT")], [lot_code("FLOUR")])
    assert len(world.story(lot_uri("FLOUR")).hops) == 2
    declared(world, mill, made)
    assert [hop.subject for hop in world.story(lot_uri("FLOUR")).hops] == [lot_uri("FLOUR")]
    assert in_order(world)


def test_a_date_that_was_wrong_is_replaced_by_the_corrective_event(world: World) -> None:
    plant = world.firm("plant")
    first = world.scan(plant, item_code("A1", expiry="281130"), "commissioning", action="ADD")
    assert world.story(item_uri("A1")).expiry == date(2028, 11, 30)
    declared(world, plant, first)
    assert world.story(item_uri("A1")).expiry is None
    world.scan(plant, item_code("A1", expiry="271130"), "commissioning", action="ADD")
    assert world.story(item_uri("A1")).expiry == date(2027, 11, 30)
    assert in_order(world)


def test_a_correction_says_the_same_event_and_is_made_once_by_who_recorded_it(world: World) -> None:
    shop, thief = world.firm("shop"), world.firm("thief")
    sold = world.scan(shop, item_code("A1"))
    size = world.audit()[1].leaves

    def refused(
        error: type[TraceError], message: str, firm: Any = shop, receipt: Receipt = sold, **changes: Any
    ) -> None:
        seq, prev = firm.device.seq, firm.device.prev
        with pytest.raises(error) as caught:
            declared(world, firm, receipt, **changes)
        assert str(caught.value) == message
        # Its number is free: what was refused is not in the log.
        firm.device = Device(firm.key, firm.pseudonym, ORIGIN, seq, prev)

    what = f"correction of leaf {sold.leaf_index}: "
    refused(ValidationError, f"{what}it was recorded by another party", thief)
    refused(
        ValidationError,
        f"{what}expected the event as it was recorded, and errorDeclaration besides",
        bizStep="shipping",
    )
    refused(
        ValidationError,
        f"{what}expected a recorded hop with that leaf hash",
        receipt=Receipt(sold.leaf_index, sold.leaf + "x", 0, None, new=True),
    )
    refused(ValidationError, "correct: expected an errorDeclaration with its declarationTime", errorDeclaration=None)
    refused(ValidationError, "correct: expected an errorDeclaration with its declarationTime", errorDeclaration={})
    assert world.audit()[1].leaves == size
    first = declared(world, shop, sold)
    refused(ConflictError, f"{what}declared already by leaf {first.leaf_index}")
    assert in_order(world)


def test_an_error_declaration_needs_a_hop_that_it_is_about(world: World) -> None:
    shop = world.firm("shop")
    event = event_of([item_uri("A1")], errorDeclaration={"declarationTime": "2026-11-24T01:00:00.000Z"})
    with pytest.raises(ValidationError, match=r"^errorDeclaration: expected in a payload of type correct"):
        world.record(shop, event)
    for leaf in (0, 99):
        with pytest.raises(NotFoundError, match=f"^leaf {leaf}: expected a recorded hop$"):
            wrong(world, world.services.authority, leaf)


# ---- what the platform signs for somebody ---------------------------------------------------------


def test_an_attested_event_of_many_keys_has_several_leaves_in_one_append(world: World) -> None:
    farm = world.firm("farm")
    serials = [f"N{n:04d}" for n in range(1_101)]
    event = event_of([item_uri(serial) for serial in serials])
    received = Disclosure.make("attests/received", b64u(b"a list"), bytes(16))

    def sign(signer: Signer) -> Any:
        parts = split(event)
        joined = type(parts)(parts.public, parts.items, parts.sd, (*parts.disclosures, received))
        return signer.hop(joined, world.clock.now(), attests=Attested(farm.pseudonym, received.digest))

    receipt = world.services.attestation.record(sign)
    assert receipt.leaf.split("\n")[3].endswith(" 1/3")
    findings, run = world.audit()
    assert (findings, run.leaves - receipt.leaf_index) == ([], 3)
    for serial in ("N0000", "N0499", "N0500", "N1100"):
        assert [hop.biz_step for hop in world.story(item_uri(serial)).hops] == ["receiving"]
        assert proven(world, item_uri(serial)) is Outcome.VALID
    # The chain of an item goes on from the leaf that names it.
    world.scan(farm, item_code("N1100"))
    assert proven(world, item_uri("N1100")) is Outcome.VALID
    wrong(world, world.services.attestation, receipt.leaf_index)
    assert proven(world, item_uri("N0500")) is Outcome.VALID
    assert in_order(world)


def test_a_device_splits_its_events_itself(world: World) -> None:
    with pytest.raises(LimitError, match=r"^501 keys in one event, at most 500"):
        world.record(world.firm("farm"), event_of([item_uri(f"N{n}") for n in range(501)]))


# ---- keys -----------------------------------------------------------------------------------------


def test_a_rotated_key_hands_over_its_party_and_role_and_signs_nothing_more(world: World) -> None:
    services = world.services
    enterprise = world.firm("plant", "enterprise")
    new = private_key("plant, new")
    signer = Signer(enterprise.key, enterprise.pseudonym, ORIGIN)
    proof = register.possession(new, ORIGIN, enterprise.key_id)
    body = {"alg": 1, "public": b64u(new.public.raw), "proof": b64u(proof)}
    rotated = world.send(signer.statement("keyrot", body, split({}), world.clock.now()))
    with services.reading() as session:
        old, fresh = (ledger_rows.key(session, 1, key.key_id) for key in (enterprise.key, new))
    assert old is not None and fresh is not None
    assert (old.revoked_leaf, fresh.registered_leaf) == (rotated.leaf_index, rotated.leaf_index)
    assert (fresh.issuer, fresh.role) == (enterprise.pseudonym, "enterprise")
    with pytest.raises(RevokedKeyError):
        world.scan(enterprise, item_code("A1"))
    device = Device(new, enterprise.pseudonym, ORIGIN)
    world.send(device.sign(event_of([item_uri("A1")]), at=world.clock.now()))
    assert proven(world, item_uri("A1")) is Outcome.VALID
    assert in_order(world)
    again = Signer(new, enterprise.pseudonym, ORIGIN, device.seq, device.prev)
    proof = register.possession(new, ORIGIN, new.key_id)
    with pytest.raises(ConflictError, match=r"registered already$"):
        world.send(again.statement("keyrot", body | {"proof": b64u(proof)}, split({}), world.clock.now()))


# ---- cases ----------------------------------------------------------------------------------------


ENTRY = BlacklistEntry(
    1,
    "示例酒行",
    "92990103MADEM1137G",
    "食品经营",
    "990103",
    "销售假冒白酒",
    "食品安全法第一百二十四条",
    "临市监罚〔2026〕1号",
    "云桥市市场监督管理局",
    date(2026, 11, 1),
    date(2029, 10, 31),
    State.LISTED,
)


def test_a_case_is_a_chain_that_anybody_can_check(world: World) -> None:
    authority, at = world.services.authority, world.clock.now()
    case = register.new_case(ORIGIN)
    hearing = BlacklistEntry(**vars(ENTRY) | {"state": State.HEARING})
    for entry, act in ((hearing, "hear"), (ENTRY, "publish")):
        receipt = register.list_entry(authority, entry, case, act, INSPECTORS, at)
    assert Leaf.parse(receipt.leaf).kind == "blacklist"
    with world.services.reading() as session:
        assert register.blacklist(session, 1, date(2026, 11, 24)) == [Listing(ENTRY, Status.PUBLISHED)]
        steps = supervision_rows.case_steps(session, 1, case)
    assert [step.act for step in steps] == ["hear", "publish"]
    assert steps[1].public["decision_number"] == ENTRY.decision_number
    assert proven(world, case) is Outcome.VALID
    package = world.proof(case)
    assert [step["via"] for step in package["steps"]] == ["self", "self"]
    assert in_order(world)


def test_recalls_and_decisions_keep_what_is_internal_to_themselves(world: World) -> None:
    authority, at = world.services.authority, world.clock.now()
    for kind in ("recall", "decision"):
        case = register.new_case(ORIGIN)
        public: JsonObject = {"lots": [lot_uri("LOT7")], "grade": 1}
        register.record_case(authority, kind, case, "open", INSPECTORS, at, public=public, internal={"source": "举报"})
        shown = [
            Disclosure.parse(text).pointer for each in world.proof(case)["entries"] for text in each["disclosures"]
        ]
        assert {"/public/lots", "/public/grade", "/case"} <= set(shown)
        assert "/internal/source" not in shown
        assert proven(world, case) is Outcome.VALID
    assert in_order(world)


@pytest.mark.parametrize(
    ("kind", "uri", "public", "message"),
    [
        ("recall", "https://other.example/id/case/" + "0" * 32, {}, "case 'https://other.example/id/case/0000"),
        ("recall", f"https://{ORIGIN}/id/case/1", {}, f"case 'https://{ORIGIN}/id/case/1': expected "),
        ("recall", item_uri("A1"), {}, f"case '{item_uri('A1')}': expected "),
        ("blacklist", "", {}, "blacklist entry: entry 'None': expected a number from 1"),
        ("blacklist", "", {"entry": 1, "state": "listed"}, "blacklist entry 1: name is missing"),
        ("blacklist", "", {"entry": 1, "state": "gone"}, "blacklist entry 1: 'gone' is not a valid State"),
        ("blacklist", "", {"entry": 1, "x": 1}, "blacklist entry: unknown member 'x'"),
        ("blacklist", "", {"entry": 1, "state": "hearing", "until": "soon"}, "blacklist entry 1: Invalid isoformat"),
        ("blacklist", "", {"entry": 1, "state": "hearing", "name": 7}, "blacklist entry 1: name: expected text"),
    ],
)
def test_a_step_of_a_case_that_says_nothing_sensible_is_refused(
    world: World, kind: str, uri: str, public: JsonObject, message: str
) -> None:
    case = uri or register.new_case(ORIGIN)
    with pytest.raises(ValidationError) as refused:
        register.record_case(world.services.authority, kind, case, "open", INSPECTORS, world.clock.now(), public=public)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("kind", ["recall", "erase", "anchor", "import"])
def test_only_the_authority_makes_statements(world: World, kind: str) -> None:
    plant = world.firm("plant", "enterprise")
    signer = Signer(plant.key, plant.pseudonym, ORIGIN)
    bodies: dict[str, JsonObject] = {
        "recall": {"act": "open", "by": INSPECTORS},
        "erase": {"leaf": 0, "positions": [0], "basis": "PIPL 47"},
        "anchor": {"origin": "b.example", "size": 1, "root": b64u(bytes(32))},
    }
    cut = split_case(register.new_case(ORIGIN), {}, {}) if kind == "recall" else split({})
    body = bodies.get(kind, bodies["anchor"])
    with pytest.raises(ValidationError) as refused:
        world.send(signer.statement(kind, body, cut, world.clock.now()))
    assert str(refused.value) == f"a key of role enterprise may not sign a {kind}, expected authority"


# ---- erasing --------------------------------------------------------------------------------------


def test_personal_data_are_erased_from_every_file_and_everything_still_verifies(tmp_path: Path) -> None:
    canary = b"CANARY-13912345678"
    with running(tmp_path) as world:
        farm = world.firm("farm")
        receipt = world.attest(farm.pseudonym, item_code("A1") + b"\x1d91" + canary)
        for serial in ("A2", "A3"):
            world.scan(farm, item_code(serial))
        with world.services.reading() as session:
            positions = register.personal_disclosures(session, 1, receipt.leaf_index)
            texts = ledger_rows.stored_disclosures(session, 1, [receipt.leaf_index])[receipt.leaf_index]
        (personal,) = positions
        scan = next(each.position for each in texts if Disclosure.parse(each.text).pointer == "/suyuan:scan")
        secrets = [each.text for each in texts if each.position in (personal, scan)]
        erased = register.erase(
            world.services.authority, receipt.leaf_index, [personal, scan], "PIPL 47", world.clock.now()
        )
        assert (
            erased.leaf.split("\n")[4] == f"erase {receipt.leaf_index} {','.join(map(str, sorted([personal, scan])))}"
        )
        world.services.database.forget()
        assert "suyuan:scan" not in body_of(world, receipt.leaf_index)
        findings, run = world.audit()
        assert (findings, run.erased) == ([], 2)
        assert proven(world, item_uri("A1")) is Outcome.VALID
        with world.services.reading() as session:
            assert register.personal_disclosures(session, 1, receipt.leaf_index) == []
        for file in tmp_path.rglob("*"):
            if file.is_file():
                held = file.read_bytes()
                assert canary not in held, file
                assert not any(secret.encode() in held for secret in secrets), file
    with running(tmp_path) as world:
        assert in_order(world)


@pytest.mark.parametrize(
    ("leaf", "positions", "message"),
    [
        (99, [1], "erase leaf 99: the log has 4 leaves"),
        (3, [77], "erase leaf 3: it has no disclosure 77"),
        (3, [0], "erase leaf 3: disclosure 0 names a thing, expected another member"),
    ],
)
def test_what_cannot_be_erased_is_named(world: World, leaf: int, positions: list[int], message: str) -> None:
    world.scan(world.firm("farm"), item_code("A1"))
    with pytest.raises(ValidationError) as refused:
        register.erase(world.services.authority, leaf, positions, "PIPL 47", world.clock.now())
    assert str(refused.value) == message


def test_what_is_erased_of_a_case_is_gone_from_its_row_too(world: World) -> None:
    case = register.new_case(ORIGIN)
    receipt = register.record_case(
        world.services.authority, "decision", case, "decide", INSPECTORS, world.clock.now(),
        public={"name": "某人", "number": "1"}, internal={"phone": "139"},
    )  # fmt: skip
    with world.services.reading() as session:
        texts = ledger_rows.stored_disclosures(session, 1, [receipt.leaf_index])[receipt.leaf_index]
    told = {Disclosure.parse(each.text).pointer: each.position for each in texts}
    gone = [told["/public/name"], told["/internal/phone"]]
    register.erase(world.services.authority, receipt.leaf_index, gone, "PIPL 47", world.clock.now())
    with world.services.reading() as session:
        (step,) = supervision_rows.case_steps(session, 1, case)
    assert (step.public, step.internal) == ({"number": "1"}, {})
    assert proven(world, case) is Outcome.VALID
    assert in_order(world)


# ---- other logs, and views of this one ------------------------------------------------------------


def test_the_head_of_another_log_is_anchored_with_its_note(world: World) -> None:
    head = sign_checkpoint("b.example", 9, bytes(32), private_key("other log"))
    for kind in ("anchor", "import"):
        receipt = register.record_other_log(world.services.authority, kind, head, world.clock.now())
        assert receipt.leaf.split("\n")[4].startswith(f"{kind} b.example 9 ")
        with world.services.reading() as session:
            (told,) = ledger_rows.stored_disclosures(session, 1, [receipt.leaf_index])[receipt.leaf_index]
        assert (Disclosure.parse(told.text).value, told.access) == (head.note, "public")
    assert in_order(world)


def test_a_device_that_saw_this_log_is_taken_and_one_that_saw_another_is_evidence(world: World) -> None:
    shop = world.firm("shop")
    world.scan(shop, item_code("A1"))
    with world.services.reading() as session:
        head = ledger_rows.require_head(session, 1)
    parcel = shop.device.sign(event_of([item_uri("A1")]), at=world.clock.now(), seen=Seen(head.size, head.root))
    assert world.send(parcel).new
    for size, root in ((head.size, bytes(32)), (head.size + 50, head.root)):
        liar = world.firm(f"shown {size} {root[:1].hex()}")
        parcel = liar.device.sign(event_of([item_uri("A1")]), at=world.clock.now(), seen=Seen(size, root))
        with pytest.raises(ConflictError, match=f"^seen: the device was shown {size} leaves with a root"):
            world.send(parcel)
        with world.services.reading() as session:
            assert ledger_rows.quarantined(session, 1, liar.key_id) == [parcel.to_bytes()]
            state = ledger_rows.key(session, 1, liar.key_id)
        # The device is not at fault.
        assert state is not None and state.frozen_ms is None
    assert in_order(world)
