"""The reading door: which steps belong to a thing, what is told of them, and what a proof package must not tell."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from build import (
    FLOUR,
    GTIN,
    ORIGIN,
    START,
    World,
    case_code,
    case_uri,
    event_of,
    item_code,
    item_uri,
    lot_code,
    lot_uri,
    pseudonym,
    running,
)

from trace import query
from trace.errors import NotFoundError, ParseError, UnavailableError
from trace.graph import Via
from trace.ledger.canonical import canonical
from trace.ledger.disclosure import Disclosure
from trace.ledger.encoding import b64
from trace.ledger.leaf import Leaf, item_key
from trace.ledger.verify import Outcome, verify_package
from trace.observe import ColdChain
from trace.query import Asked, Product, RecentStep, Where
from trace.store.master_rows import Party, Site, TradeItem
from trace.supervision.verdict import VerdictCode

pytestmark = pytest.mark.usefixtures("both_databases")

CASE, PALLET = "095200000000001841", "095200000000001858"
DAIRY = Party(pseudonym("plant"), "91990102MADEM1137G", "示例云桥晨光乳业", "Example Dairy", "990102", None)
DOCK_SITE = Site("9520000000134", DAIRY.pseudonym, "东渡一厂", "Dongdu plant 1", "990102")
MILK = TradeItem(GTIN, "示例乳粉", "Example formula", "800 g", "food", DAIRY.pseudonym, "国食注字YP20999001", None)
PILL = TradeItem("09520000000073", "示例片", "Example tablets", "24 片", "drug", DAIRY.pseudonym, None, "8123456")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        world.master(DAIRY, sites=[DOCK_SITE], products=[MILK, PILL])
        yield world


def seen(world: World, uri: str) -> list[tuple[int, str]]:
    """(leaf index, relation) of each step, in the order of the log."""
    return sorted((hop.leaf_index, str(hop.via)) for hop in world.story(uri).hops)


# ---- which steps -------------------------------------------------------------------------------------------


def test_a_container_counts_only_while_the_thing_is_inside(world: World) -> None:
    firm = world.firm("plant")
    world.scan(firm, case_code(CASE))  # 3: before
    world.scan(firm, item_code("A1"), "commissioning", action="ADD")  # 4
    world.pack(firm, case_code(CASE), [item_code("A1"), item_code("A2")])  # 5
    world.scan(firm, case_code(CASE), "shipping")  # 6
    world.pack(firm, case_code(CASE), [item_code("A1")], action="DELETE")  # 7
    world.scan(firm, case_code(CASE), "receiving")  # 8: after
    world.scan(firm, item_code("A1"), "retail_selling")  # 9
    assert seen(world, item_uri("A1")) == [(4, "self"), (5, "self"), (6, "container"), (7, "self"), (9, "self")]
    assert seen(world, item_uri("A2")) == [(5, "self"), (6, "container"), (7, "container"), (8, "container")]
    assert world.story(case_uri(CASE)).inside == (item_uri("A2"),)


def test_unpacking_all_names_the_case_alone(world: World) -> None:
    firm = world.firm("plant")
    world.pack(firm, case_code(CASE), [item_code("A1"), item_code("A2")])
    world.pack(firm, case_code(CASE), [], action="DELETE")
    world.scan(firm, case_code(CASE), "shipping")
    assert seen(world, item_uri("A1")) == [(3, "self"), (4, "container")]
    assert world.story(case_uri(CASE)).inside == ()


def test_two_levels_count_as_one_does(world: World) -> None:
    firm = world.firm("plant")
    world.pack(firm, case_code(CASE), [item_code("A1")])  # 3
    world.pack(firm, case_code(PALLET), [case_code(CASE)])  # 4
    world.scan(firm, case_code(PALLET), "shipping")  # 5
    world.pack(firm, case_code(PALLET), [], action="DELETE")  # 6
    world.scan(firm, case_code(PALLET), "shipping")  # 7: without the case
    world.scan(firm, case_code(CASE), "receiving")  # 8
    steps = [(3, "self"), (4, "container"), (5, "container"), (6, "container"), (8, "container")]
    assert seen(world, item_uri("A1")) == steps


def test_a_thing_that_is_packed_elsewhere_has_left_its_case(world: World) -> None:
    firm = world.firm("plant")
    world.pack(firm, case_code(CASE), [item_code("A1")])  # 3
    world.pack(firm, case_code(PALLET), [item_code("A1")])  # 4
    world.scan(firm, case_code(CASE), "shipping")  # 5
    world.scan(firm, case_code(PALLET), "shipping")  # 6
    assert seen(world, item_uri("A1")) == [(3, "self"), (4, "self"), (6, "container")]


def test_containers_packed_into_each_other_end(world: World) -> None:
    firm = world.firm("plant")
    for _ in range(12):
        world.pack(firm, case_code(CASE), [case_code(PALLET)])
        world.pack(firm, case_code(PALLET), [case_code(CASE)])
    assert {via for _, via in seen(world, case_uri(CASE))} == {"self"}


def test_steps_of_the_lot_and_of_what_it_was_made_from_belong_to_a_thing(world: World) -> None:
    firm = world.firm("plant")
    world.scan(firm, case_code(CASE))  # 3
    world.scan(firm, lot_code("B1", FLOUR), "commissioning", action="ADD")  # 4
    world.scan(firm, lot_code("B2", FLOUR), "commissioning", action="ADD")  # 5: went into nothing
    world.transform(firm, [lot_code("B1", FLOUR)], [lot_code("LOT7")])  # 6
    world.scan(firm, lot_code("B1", FLOUR), "destroying")  # 7: what was left over
    world.scan(firm, lot_code("LOT7"), "inspecting", disposition="conformant")  # 8
    world.scan(firm, item_code("A1"), "packing", action="ADD")  # 9
    assert seen(world, item_uri("A1")) == [(4, "input"), (6, "lot"), (8, "lot"), (9, "self")]
    assert seen(world, lot_uri("LOT7")) == [(4, "input"), (6, "self"), (8, "self")]
    story = world.story(item_uri("A1"))
    assert [hop.subject for hop in story.hops] == [
        lot_uri("B1", FLOUR),
        lot_uri("LOT7"),
        lot_uri("LOT7"),
        item_uri("A1"),
    ]


def test_a_thing_made_from_itself_ends(world: World) -> None:
    firm = world.firm("plant")
    world.transform(firm, [lot_code("B1", FLOUR)], [lot_code("B1", FLOUR), lot_code("LOT7")])
    world.transform(firm, [lot_code("LOT7")], [lot_code("B1", FLOUR)])
    assert seen(world, lot_uri("LOT7")) == [(3, "self"), (4, "self")]


def test_two_generations_back(world: World) -> None:
    firm = world.firm("plant")
    world.pack(firm, case_code(CASE), [item_code("RAW")])  # 3: the ingredient came in a case
    world.scan(firm, case_code(CASE), "receiving")  # 4
    world.transform(firm, [item_code("RAW", lot="R1")], [lot_code("B1", FLOUR)])  # 5
    world.transform(firm, [lot_code("B1", FLOUR)], [lot_code("LOT7")])  # 6
    world.scan(firm, case_code(CASE), "shipping")  # 7: no longer of interest
    assert seen(world, lot_uri("LOT7")) == [(3, "input"), (4, "input"), (5, "input"), (6, "self")]


# ---- what is told --------------------------------------------------------------------------------------------


def test_a_step_is_told_with_the_names_of_its_place_and_party(world: World) -> None:
    firm = world.firm("plant")
    world.services.publish_now()
    cold = ColdChain(START, START, Decimal("2.4"), Decimal("3.9"), alarm=False)
    world.scan(firm, item_code("A1"), "commissioning", action="ADD", disposition="active", cold_chain=cold)
    (hop,) = world.story(item_uri("A1")).hops
    assert hop == replace(
        hop,
        leaf_index=3,
        event_type="ObjectEvent",
        action="ADD",
        biz_step="commissioning",
        disposition="active",
        event_time=START,
        utc_offset_minutes=480,
        received_at=START,
        subject=item_uri("A1"),
        via=Via.SELF,
        where=Where("9520000000134", "东渡一厂", "Dongdu plant 1", "990102", "东渡区", "Dongdu"),
        signer_zh="示例云桥晨光乳业",
        signer_en="Example Dairy",
        attested_for_zh=None,
        celsius_min=2.4,
        celsius_max=3.9,
        celsius_alarm=False,
    )


def test_a_story_says_what_the_thing_is(world: World) -> None:
    world.scan(
        world.firm("plant"),
        item_code("A1"),
        "commissioning",
        action="ADD",
        master={"cbvmda:productionDate": "2026-11-20"},
    )
    story = world.story(item_uri("A1"))
    assert (story.uri, story.path, story.code, story.kind) == (item_uri("A1"), f"/01/{GTIN}/21/A1", "A1", "item")
    assert (story.lot, story.produced, story.expiry) == ("LOT7", date(2026, 11, 20), date(2028, 11, 30))
    assert story.product == Product(
        GTIN, "示例乳粉", "Example formula", "800 g", "food", "示例云桥晨光乳业", "Example Dairy", "国食注字YP20999001"
    )


def test_a_unit_has_the_dates_of_its_lot(world: World) -> None:
    firm = world.firm("plant")
    dates = {"cbvmda:productionDate": "2026-11-20", "cbvmda:itemExpirationDate": "2027-11-20"}
    world.scan(firm, lot_code("LOT7"), "commissioning", action="ADD", master=dates)
    world.scan(firm, f"]d201{GTIN}10LOT7\x1d21A1".encode(), "packing", action="ADD")
    story = world.story(item_uri("A1"))
    assert (story.produced, story.expiry) == (date(2026, 11, 20), date(2027, 11, 20))


def test_a_lot_is_known_through_its_units(world: World) -> None:
    world.scan(world.firm("plant"), item_code("A1"))
    story = world.story(lot_uri("LOT7"))
    assert (story.kind, story.code, story.lot, story.hops) == ("lot", "LOT7", "LOT7", ())
    assert story.verdict.code is VerdictCode.UNITS


def test_a_drug_code_is_a_product_by_its_prefix(world: World) -> None:
    code = "81234561234567890123"
    world.scan(world.firm("plant"), code.encode(), "commissioning", action="ADD", master={"cbvmda:lotNumber": "D1"})
    story = world.story(f"https://{ORIGIN}/id/cn-drug/{code}")
    assert (story.kind, story.code, story.lot) == ("national", code, "D1")
    assert story.product is not None and story.product.name_en == "Example tablets"


def test_people_read_by_the_time_of_the_event(world: World) -> None:
    firm = world.firm("plant")
    world.record(firm, event_of([item_uri("A1")], eventTime="2026-11-24T00:30:00Z"))
    world.record(firm, event_of([item_uri("A1")], eventTime="2026-11-24T00:10:00Z"))
    assert [hop.leaf_index for hop in world.story(item_uri("A1")).hops] == [4, 3]


def test_who_is_not_in_the_master_data_is_told_by_his_pseudonym(world: World) -> None:
    firm = world.firm("nobody")
    world.record(firm, event_of([item_uri("A1")], readPoint={"id": "https://id.gs1.org/414/9520000000141"}))
    world.record(firm, event_of([item_uri("A1")], readPoint={"id": "urn:elsewhere"}))
    world.record(firm, event_of([item_uri("A1")], readPoint=None))
    world.attest(pseudonym("stall"), item_code("A1"))
    hops = world.story(item_uri("A1")).hops
    assert [hop.where and hop.where.gln for hop in hops] == [None, None, None, "9520000000134"]
    assert (hops[0].signer_zh, hops[-1].attested_for_zh) == (firm.pseudonym, pseudonym("stall"))


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([("commissioning", "active")], VerdictCode.NORMAL),
        ([("receiving", None)], VerdictCode.GAP),
        ([("commissioning", None), ("retail_selling", "retail_sold")], VerdictCode.SOLD),
        ([("commissioning", None), ("dispensing", "dispensed")], VerdictCode.SOLD),
        ([("commissioning", None), *[("retail_selling", "retail_sold")] * 2], VerdictCode.SOLD_TWICE),
        ([("commissioning", None), ("inspecting", "non_conformant")], VerdictCode.FAILED),
        ([("commissioning", None), ("inspecting", "non_conformant"), ("inspecting", "conformant")], VerdictCode.NORMAL),
        ([("commissioning", None), ("holding", "recalled")], VerdictCode.RECALLED),
        ([("commissioning", None), ("holding", "non_sellable_other")], VerdictCode.HALTED),
        ([("commissioning", None), ("holding", "recalled"), ("holding", "active")], VerdictCode.NORMAL),
    ],
)
def test_the_verdict_follows_from_the_steps(
    world: World, steps: list[tuple[str, str | None]], code: VerdictCode
) -> None:
    firm = world.firm("plant")
    for step, disposition in steps:
        world.clock.advance(minutes=1)
        world.scan(firm, item_code("A1"), step, disposition=disposition)
    assert world.story(item_uri("A1")).verdict.code is code


def test_a_broken_cold_chain_of_the_case_is_a_verdict_on_the_thing(world: World) -> None:
    firm = world.firm("plant")
    world.scan(firm, item_code("A1"), "commissioning", action="ADD")
    world.pack(firm, case_code(CASE), [item_code("A1")])
    world.scan(firm, case_code(CASE), cold_chain=ColdChain(START, START, Decimal(4), Decimal("31.5"), alarm=True))
    verdict = world.story(item_uri("A1")).verdict
    assert (verdict.code, verdict.params["celsius"]) == (VerdictCode.COLD, 31.5)
    world.pack(firm, case_code(CASE), [], action="DELETE")
    world.scan(firm, case_code(CASE), cold_chain=ColdChain(START, START, Decimal(4), Decimal(50), alarm=True))
    assert world.story(item_uri("A1")).verdict.params["celsius"] == 31.5


def test_the_last_day_is_a_day_at_the_place(world: World) -> None:
    """Expiry is 30 November 2028; at 16:30 UTC on that day it is December at the place."""
    world.scan(world.firm("plant"), item_code("A1"), "commissioning", action="ADD")
    world.clock.set(datetime(2028, 11, 30, 15, 30, tzinfo=UTC))
    assert world.story(item_uri("A1")).verdict.code is VerdictCode.NORMAL
    world.clock.advance(hours=1)
    assert world.story(item_uri("A1")).verdict.code is VerdictCode.EXPIRED


def test_a_lot_may_be_sold_many_times(world: World) -> None:
    firm = world.firm("shop")
    world.scan(firm, lot_code("LOT7"), "commissioning", action="ADD")
    for _ in range(3):
        world.scan(firm, lot_code("LOT7"), "retail_selling", disposition="retail_sold")
    story = world.story(lot_uri("LOT7"))
    assert (story.sales, story.verdict.code) == (0, VerdictCode.NORMAL)


# ---- nothing there ---------------------------------------------------------------------------------------------


def test_what_nobody_recorded_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError) as error:
        world.story(item_uri("A1"))
    assert str(error.value) == f"/01/{GTIN}/21/A1: nothing is recorded under this code"
    with pytest.raises(NotFoundError):
        world.proof(item_uri("A1"))
    with pytest.raises(ParseError):
        world.story("https://example.com/x")


# ---- the proof package -------------------------------------------------------------------------------------------


def travel(world: World) -> dict[str, Any]:
    """A1 and A2 in one case, with everything that is not for the public."""
    firm, shop = world.firm("plant"), world.firm("shop")
    world.transform(firm, [lot_code("B1", FLOUR)], [lot_code("LOT7")])
    world.scan(firm, item_code("A1"), "packing", action="ADD", documents={"po": "urn:order:4711"})
    world.scan(firm, item_code("A2"), "packing", action="ADD", documents={"po": "urn:order:4711"})
    world.pack(firm, case_code(CASE), [item_code("A1"), item_code("A2")])
    world.attest(pseudonym("stall"), case_code(CASE))
    world.pack(shop, case_code(CASE), [], action="DELETE")
    world.scan(shop, item_code("A2"), "retail_selling", disposition="retail_sold")
    world.scan(shop, item_code("A1"), "retail_selling", disposition="retail_sold")
    return world.proof(item_uri("A1"))


def test_a_package_tells_of_no_other_item_and_of_no_partners_terms(world: World) -> None:
    package = travel(world)
    told = [Disclosure.parse(each) for entry in package["entries"] for each in entry["disclosures"]]
    values = {each.value for each in told if isinstance(each.value, str)}
    assert {item_uri("A1"), case_uri(CASE), lot_uri("LOT7")} <= values
    assert item_uri("A2") not in values
    wanted = ("/parentID", "/epcList", "/childEPCs", "/readPoint", "/ilmd", "/inputQuantityList/0/epcClass")
    wanted += ("/outputQuantityList/0/epcClass", "/name", "/nameEn")
    assert [each.pointer for each in told if not each.pointer.startswith(wanted)] == []
    assert set(package["itemKeys"]) == {step["subject"] for step in package["steps"]}
    assert b64(item_key(world.log.item_secret, item_uri("A2"))) not in "".join(package["itemKeys"].values())
    # Text of the whole package would hold "4711" by chance: its salts are random.
    assert not any("4711" in value or "A2" in value for value in values)


def test_a_package_holds_its_steps_and_the_registration_of_every_signer(world: World) -> None:
    package = travel(world)
    leaves = {entry["index"]: Leaf.parse(entry["leaf"]) for entry in package["entries"]}
    assert list(leaves) == sorted(leaves)
    assert {step["index"] for step in package["steps"]} <= set(leaves)
    registered = {leaf.body.key.key_id for leaf in leaves.values() if leaf.kind == "keyreg"}
    assert {leaf.device for leaf in leaves.values()} == registered
    assert 0 in leaves
    assert (package["format"], package["origin"], package["path"]) == ("suyuan-proof/v1", ORIGIN, f"/01/{GTIN}/21/A1")


def test_the_verifier_finds_nothing_wrong_with_a_package(world: World) -> None:
    """It shares no code with what makes the package."""
    data = canonical(travel(world))
    report = verify_package(data, log_key=world.log.verifier_key, expected_uri=item_uri("A1"))
    assert [(check.name, check.detail) for check in report.checks if not check.ok] == []
    assert (report.outcome, report.steps, report.attested) == (Outcome.VALID, 6, 1)


def test_a_step_that_is_not_yet_signed_has_no_proof_yet(world: World) -> None:
    firm = world.firm("plant")
    world.sabotage("INSERT", "checkpoint")
    world.scan(firm, item_code("A1"))
    tree = world.services.tree()
    with world.services.reading() as session, pytest.raises(UnavailableError) as error:
        query.proof(session, world.log, tree, item_uri("A1"))
    assert str(error.value) == "the newest step is recorded but not yet in a signed checkpoint"


# ---- asking --------------------------------------------------------------------------------------------------------


def asked(world: World, code: str) -> Asked:
    with world.services.reading() as session:
        return query.asked_by_code(session, world.log, code, START.date())


def by_path(world: World, path: str) -> Asked:
    with world.services.reading() as session:
        return query.asked_by_path(session, world.log, path)


def test_the_most_specific_thing_that_is_recorded_is_shown(world: World) -> None:
    world.scan(world.firm("plant"), lot_code("LOT7"))
    unit = item_code("A1").decode()
    assert asked(world, unit) == Asked(lot_uri("LOT7"), item_uri("A1"), None)
    world.scan(world.firm("shop"), item_code("A1"))
    assert asked(world, unit) == Asked(item_uri("A1"), item_uri("A1"), None)
    assert by_path(world, f"/01/{GTIN}/21/A1") == Asked(item_uri("A1"), item_uri("A1"), None)
    assert by_path(world, f"/01/{GTIN}/10/LOT7/21/A9") == Asked(lot_uri("LOT7"), item_uri("A9"), None)


def test_what_is_not_recorded_or_no_code_says_why(world: World) -> None:
    assert asked(world, item_code("A1").decode()) == Asked(None, item_uri("A1"), None)
    for answer in (
        asked(world, "hello"),
        by_path(world, "/01/123"),
        by_path(world, "/id/cn-drug/123"),
        by_path(world, "/x"),
    ):
        assert answer.uri is None and answer.fallback is None and answer.error
    assert (
        by_path(world, "/id/cn-drug/81234561234567890123").fallback
        == f"https://{ORIGIN}/id/cn-drug/81234561234567890123"
    )


def test_names_and_recent_steps(world: World) -> None:
    firm = world.firm("plant")
    world.scan(firm, item_code("A1"))
    world.clock.advance(minutes=1)
    world.attest(firm.pseudonym, case_code(CASE))
    world.scan(firm, f"]d201{GTIN}".encode())  # names no thing of its own
    with world.services.reading() as session:
        assert query.recent_steps(session, world.log, firm.pseudonym, 10) == [
            RecentStep(4, case_uri(CASE), "receiving", START + timedelta(minutes=1)),
            RecentStep(3, item_uri("A1"), "receiving", START),
        ]
        assert query.item_name(session, world.log, item_uri("A1"), "zh") == "示例乳粉"
        assert query.item_name(session, world.log, item_uri("A1"), "en") == "Example formula"
        assert query.item_name(session, world.log, case_uri(CASE), "en") is None
        assert query.product_of(session, world.log, "09520000000011") is None
        assert query.product_of(session, world.log, GTIN) == world.story(item_uri("A1")).product


def test_the_newest_checkpoint_is_told(world: World) -> None:
    world.services.publish_now()
    with world.services.reading() as session:
        checkpoint = query.newest_checkpoint(session, world.log)
    assert checkpoint is not None and checkpoint.size == 2
    world.scan(world.firm("plant"), item_code("A1"))
    world.services.publish_now()
    story = world.story(item_uri("A1"))
    assert (story.log_size, story.hops[0].published) == (4, True)
