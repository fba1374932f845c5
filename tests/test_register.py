"""The registering door: parties, their keys and places, and the list that regulators keep."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from build import World, private_key, pseudonym, running
from sqlalchemy.exc import IntegrityError

from trace import register
from trace.ledger.disclosure import Disclosure
from trace.ledger.leaf import KeyLine, Leaf
from trace.store import ledger_rows
from trace.store.master_rows import Party, Region, Site
from trace.supervision.blacklist import BlacklistEntry, Listing, State, Status

DAIRY = Party(
    pseudonym("dairy"), "91990102MADEM1137G", "示例云桥晨光乳业", "Example Dairy", "990102", "SC10111000000001"
)
SITES = [
    Site("9520000000141", DAIRY.pseudonym, "西岭常温库", "Xiling depot", "990103"),
    Site("9520000000134", DAIRY.pseudonym, "东渡一厂", "Dongdu plant 1", "990102"),
]
HEARING = BlacklistEntry(
    1,
    "示例酒行",
    "92990103MADEM1137G",
    "食品经营",
    "990103",
    "事实",
    "依据",
    None,
    "云桥市局",
    None,
    None,
    State.HEARING,
)
REPAIRED = BlacklistEntry(
    2,
    "示例粮油行",
    "92990103MADEM1137G",
    "食品经营",
    "990103",
    "事实",
    "依据",
    "云市监罚〔2026〕18号",
    "云桥市局",
    date(2026, 9, 14),
    date(2029, 9, 13),
    State.REPAIRED,
    date(2027, 9, 14),
    "已履行义务",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


def test_a_registration_is_a_leaf_that_names_the_party_in_disclosures_alone(world: World) -> None:
    key = private_key("dairy").public
    names = {"name": DAIRY.name_zh, "nameEn": DAIRY.name_en, "uscc": DAIRY.uscc}
    authority = world.services.authority
    receipt = register.register_key(authority, key, DAIRY.pseudonym, "enterprise", world.clock.now(), names)
    assert Leaf.parse(receipt.leaf).body == KeyLine(key, DAIRY.pseudonym, "enterprise")
    with world.services.reading() as session:
        told = ledger_rows.disclosures_of(session, 1, [receipt.leaf_index])[receipt.leaf_index]
        state = ledger_rows.key(session, 1, key.key_id)
    assert {(each.pointer, each.value) for each in map(Disclosure.parse, told)} == {
        ("/name", DAIRY.name_zh),
        ("/nameEn", DAIRY.name_en),
        ("/uscc", DAIRY.uscc),
    }
    assert state == ledger_rows.KeyState(key, DAIRY.pseudonym, "enterprise", receipt.leaf_index, None, None)


def test_a_party_is_found_by_its_code_and_its_pseudonym(world: World) -> None:
    world.master(DAIRY, sites=SITES)
    with world.services.reading() as session:
        assert register.party_by_uscc(session, 1, DAIRY.uscc) == DAIRY
        assert register.party(session, 1, DAIRY.pseudonym) == DAIRY
        assert register.party_by_uscc(session, 1, "x") is None
        assert register.party(session, 1, "x") is None
        assert register.sites_of(session, 1, DAIRY.pseudonym) == [SITES[1], SITES[0]]


def test_master_data_are_not_written_over(world: World) -> None:
    world.master(DAIRY)
    with pytest.raises(IntegrityError), world.services.writing() as session:
        register.add_master_data(session, 1, [Region("990103", "西岭区", "Xiling")], [DAIRY], [], [])
    with world.services.reading() as session:
        assert register.party(session, 1, DAIRY.pseudonym) == DAIRY


def test_the_list_is_read_as_it_was_written_with_the_status_of_the_day(world: World) -> None:
    services = world.services
    for entry, act in ((HEARING, "hear"), (REPAIRED, "repair")):
        case = register.new_case(services.settings.origin)
        register.list_entry(services.authority, entry, case, act, [pseudonym("inspector")], services.clock.now())
    with world.services.reading() as session:
        assert register.blacklist(session, 1, date(2028, 1, 1)) == [
            Listing(REPAIRED, Status.REPAIRED),
            Listing(HEARING, Status.HEARING),
        ]
