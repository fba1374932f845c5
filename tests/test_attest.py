"""The attesting door: the platform signs for a party that has no device, and says so."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from build import DOCK, OFFSET, ORIGIN, World, event_of, item_code, item_uri, pseudonym, running

from trace import attest
from trace.errors import UnavailableError, ValidationError
from trace.ledger.disclosure import Access, Disclosure
from trace.ledger.encoding import b64u
from trace.ledger.leaf import Leaf
from trace.ledger.payload import Hop, parse_payload
from trace.store import ledger_rows
from trace.store.master_rows import Party

pytestmark = pytest.mark.usefixtures("both_databases")

STALL = Party(pseudonym("stall"), "92990103MADEM1137G", "示例东渡菜摊", "Example market stall", "990102", None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        world.master(STALL)
        yield world


def test_the_payload_says_for_whom_and_commits_to_the_received_bytes(world: World) -> None:
    receipt = world.attest(STALL.pseudonym, item_code("A1"))
    with world.services.reading() as session:
        envelope = ledger_rows.envelopes_at(session, 1, [receipt.leaf_index])[receipt.leaf_index].envelope
        told = ledger_rows.stored_disclosures(session, 1, [receipt.leaf_index])[receipt.leaf_index]
    hop = parse_payload(envelope)
    assert isinstance(hop, Hop) and hop.attests is not None
    assert (hop.attests.party, hop.head.device) == (STALL.pseudonym, world.services.attestation.public.key_id)
    (received,) = [Disclosure.parse(each.text) for each in told if each.access == Access.PERSONAL]
    assert (received.pointer, received.value) == ("attests/received", b64u(item_code("A1")))
    assert received.digest == hop.attests.received
    assert world.audit()[0] == []


def test_the_step_is_told_as_recorded_by_the_platform_for_the_party(world: World) -> None:
    world.attest(STALL.pseudonym, item_code("A1"))
    (hop,) = world.story(item_uri("A1")).hops
    assert (hop.attested_for_zh, hop.attested_for_en) == ("示例东渡菜摊", "Example market stall")
    assert hop.signer_zh == world.services.attestation.issuer


def test_the_received_bytes_are_in_no_proof_package(world: World) -> None:
    world.attest(STALL.pseudonym, item_code("A1"))
    pointers = [
        Disclosure.parse(each).pointer
        for entry in world.proof(item_uri("A1"))["entries"]
        for each in entry["disclosures"]
    ]
    assert pointers.count("/readPoint") == 1
    assert not {"attests/received", "/suyuan:scan"} & set(pointers)


def test_the_platforms_chain_has_no_gap(world: World) -> None:
    leaves = [Leaf.parse(world.attest(STALL.pseudonym, item_code(f"A{n}")).leaf) for n in range(3)]
    assert [leaf.seq for leaf in leaves] == [1, 2, 3]


def test_what_identifies_nothing_is_not_signed(world: World) -> None:
    with pytest.raises(ValidationError):
        world.attest(STALL.pseudonym, b"hello")
    assert Leaf.parse(world.attest(STALL.pseudonym, item_code("A1")).leaf).seq == 1


def test_what_is_refused_leaves_the_chain_where_it_was(world: World) -> None:
    late = {"at": world.clock.now().replace(year=2027), "utc_offset": OFFSET, "origin": ORIGIN, "event_id": "urn:x:1"}
    with pytest.raises(ValidationError, match="in the future"):
        attest.attest_scan(world.services.attestation, item_code("A1"), DOCK, party=STALL.pseudonym, **late)
    assert Leaf.parse(world.attest(STALL.pseudonym, item_code("A1")).leaf).seq == 1
    assert world.audit()[0] == []


def test_what_may_have_been_recorded_is_sent_again_before_anything_new_is_signed(world: World) -> None:
    """Else the platform's own key would sign twice under one sequence number."""
    world.sabotage("INSERT", "leaf")
    with pytest.raises(UnavailableError) as error:
        world.attest(STALL.pseudonym, item_code("A1"))
    assert str(error.value).startswith("the log could not be written: Integrity")
    world.repair()
    receipt = world.attest(STALL.pseudonym, item_code("A2"))
    assert Leaf.parse(receipt.leaf).seq == 2
    assert len(world.story(item_uri("A1")).hops) == 1
    assert world.audit()[0] == []


def test_an_undecided_parcel_that_is_refused_later_stands_in_nobodys_way(world: World) -> None:
    firm, occasion = world.firm("farm"), world.occasion()
    world.sabotage("INSERT", "leaf")
    with pytest.raises(UnavailableError):
        attest.attest_scan(world.services.attestation, item_code("A1"), DOCK, party=STALL.pseudonym, **occasion)
    world.repair()
    world.record(firm, event_of([item_uri("A1")], eventID=occasion["event_id"]))
    assert world.services.attestation.settle() is None
    receipt = world.attest(STALL.pseudonym, item_code("A2"))
    assert Leaf.parse(receipt.leaf).seq == 1
    assert world.audit()[0] == []


def test_another_place_and_step_are_told_as_given(world: World) -> None:
    where = replace(DOCK, biz_step="retail_selling", disposition="retail_sold")
    occasion = world.occasion()
    receipt, uri = attest.attest_scan(
        world.services.attestation, item_code("A1"), where, party=STALL.pseudonym, **occasion
    )
    assert (receipt.event_id, uri) == (occasion["event_id"], item_uri("A1"))
    (hop,) = world.story(uri).hops
    assert (hop.biz_step, hop.disposition, hop.event_id) == ("retail_selling", "retail_sold", occasion["event_id"])
