"""The attack table of the ledger, one test a row: what each attack gets, and by what it is found.

Everything goes through the doors of a running platform; the attacker holds what the row says. Where a row's defence is
not built yet, the test holds what is said of it instead (rows 4, 5, 7, 8, 20 and 23).
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from build import ORIGIN, World, event_of, item_code, item_uri, private_key, pseudonym, running, settings
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from app.__main__ import main
from app.database import AlreadyRunningError
from app.services import open_services
from trace.errors import (
    ConflictError,
    ForkError,
    LedgerError,
    LimitError,
    ParseError,
    SignatureError,
    TraceError,
    ValidationError,
)
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import Checkpoint, sign_checkpoint
from trace.ledger.disclosure import split
from trace.ledger.envelope import HOP_TYPE, STATEMENT_TYPE, Envelope, Parcel, pae
from trace.ledger.keys import Algorithm, PublicKey
from trace.ledger.leaf import Leaf, item_key, record_hash
from trace.ledger.merkle import Tree, consistent, node_hash
from trace.ledger.note import Note, cosigner_key, ed25519_key
from trace.ledger.payload import Seen
from trace.ledger.policy import Policy
from trace.ledger.verify import Outcome, Report, verify_package
from trace.ledger.witness import NEVER, AddCheckpoint, Answer, Submitted, read_request, refusal
from trace.ledger.witness import Seen as Cosigned
from trace.observe import Device
from trace.register import register_key, revoke_key
from trace.store import ledger_rows
from trace.times import SystemClock

LOG = private_key("the log")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as made:
        yield made


def execute(world: World, statement: str, **values: Any) -> None:
    """What somebody with the database file can do: the triggers are his to drop."""
    with world.services.writing() as session:
        for (name,) in session.execute(text("SELECT name FROM sqlite_schema WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text(statement), values)


def named(world: World) -> set[int | None]:
    return {finding.leaf_index for finding in world.audit()[0]}


def report(package: dict[str, Any], world: World) -> Report:
    return verify_package(json.dumps(package).encode(), log_key=world.log.verifier_key)


def failing(package: dict[str, Any], world: World) -> list[str]:
    return [check.name for check in report(package, world).checks if not check.ok]


def journey(world: World, *serials: str) -> Any:
    """A party, and three hops of each thing."""
    farm = world.firm("farm")
    for step in ("commissioning", "shipping", "receiving"):
        for serial in serials or ("A1",):
            world.scan(farm, item_code(serial), step)
    return farm


class PlainWitness:
    """A witness without a disk: what it cosigned last, and what it decides."""

    def __init__(self, log: PublicKey) -> None:
        self.seen = NEVER
        self._logs = {ORIGIN: (ed25519_key(ORIGIN, log),)}

    def asked(self, head: Checkpoint, path: list[bytes], old: int | None = None) -> int:
        request = AddCheckpoint(self.seen.size if old is None else old, tuple(path), head.note)
        read = read_request(request.to_bytes(), self._logs)
        if isinstance(read, Answer):
            return read.status
        assert isinstance(read, Submitted)
        no = refusal(read, self.seen)
        if no is not None:
            return no.status
        self.seen = Cosigned(head.size, head.root)
        return 200


def tree_of(*names: str) -> Tree:
    return Tree(record_hash(name) for name in names)


def signed(tree: Tree, size: int | None = None) -> Checkpoint:
    size = len(tree) if size is None else size
    return sign_checkpoint(ORIGIN, size, tree.root(size), LOG)


# ---- 1 to 8: the operator -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE leaf SET record = replace(record, 'rcv 1', 'rcv 2') WHERE leaf_index = 4",
        "UPDATE leaf SET leaf_hash = zeroblob(32) WHERE leaf_index = 4",
        "UPDATE envelope SET payload = CAST(replace(payload, 'shipping', 'selling') AS BLOB) WHERE leaf_index = 4",
        "UPDATE item_hop SET ord = 9 WHERE leaf_index = 4",
        "UPDATE disclosure SET text = substr(text, 1, 40) || 'AAAA' || substr(text, 45) WHERE leaf_index = 4",
        "UPDATE event SET body = replace(body, 'shipping', 'selling') WHERE leaf_index = 4",
    ],
)
def test_01_a_row_that_is_edited_is_named(world: World, edit: str) -> None:
    journey(world)
    world.services.publish_now()
    execute(world, edit)
    assert 4 in named(world)


def test_02_a_rewritten_history_has_no_consistency_proof(world: World) -> None:
    """With the log key and all hashes computed again; whoever kept one checkpoint finds it."""
    honest, forged = tree_of("a", "b", "c", "d", "e"), tree_of("a", "B", "c", "d", "e", "f", "g")
    witness = PlainWitness(LOG.public)
    assert witness.asked(signed(honest), []) == 200
    paths = [forged.consistency_path(5, 7), honest.consistency_path(4, 5), [], [bytes(32)] * 3]
    assert [witness.asked(signed(forged), path) for path in paths] == [422] * 4
    assert not any(consistent(5, 7, honest.root(), forged.root(), path) for path in paths)
    # And the devices of the honest days sign what they saw.
    farm = journey(world)
    parcel = farm.device.sign(event_of([item_uri("A1")]), at=world.clock.now(), seen=Seen(2, bytes(32)))
    with pytest.raises(ConflictError, match=r"^seen: the device was shown 2 leaves with a root that"):
        world.send(parcel)


def test_03_a_split_view_gets_no_quorum_and_leaves_a_proof(world: World) -> None:
    here, there = tree_of("a", "b", "c"), tree_of("a", "b", "X")
    witness = PlainWitness(LOG.public)
    assert witness.asked(signed(here), []) == 200
    assert witness.asked(signed(there), [], old=3) == 409
    farm = journey(world)
    parcel = farm.device.sign(event_of([item_uri("A1")]), at=world.clock.now(), seen=Seen(3, there.root()))
    with pytest.raises(ConflictError):
        world.send(parcel)
    with world.services.reading() as session:
        # Signed by the device: whoever holds the note of the other view holds a proof that anybody can check.
        assert ledger_rows.quarantined(session, 1, farm.key_id) == [parcel.to_bytes()]


def test_04_a_cut_tail_is_bounded_by_the_checkpoint_that_is_shown(world: World) -> None:
    """Until the map is built, a proof cannot say that no later hop is kept back. It says so itself."""
    journey(world)
    package = world.proof(item_uri("A1"))
    shorter = {**package, "steps": package["steps"][:-1]}
    shorter["entries"] = [entry for entry in package["entries"] if entry["index"] != package["steps"][-1]["index"]]
    assert report(shorter, world).outcome is Outcome.VALID
    told = CliRunner().invoke(main, ["verify", "-"], input=json.dumps(shorter))
    assert "later" in told.output or "以后" in told.output


def test_05_a_hop_hidden_in_the_middle_breaks_the_chain(world: World) -> None:
    journey(world)
    package = world.proof(item_uri("A1"))
    hidden = package["steps"][1]["index"]
    package["steps"] = [step for step in package["steps"] if step["index"] != hidden]
    package["entries"] = [entry for entry in package["entries"] if entry["index"] != hidden]
    assert failing(package, world) == ["chain"]


def test_06_a_hop_that_is_never_logged_leaves_a_gap(world: World) -> None:
    farm = journey(world)
    farm.device.sign(event_of([item_uri("A1")]), at=world.clock.now())  # signed, and kept back by somebody
    world.scan(farm, item_code("A1"), "shipping")
    with world.services.reading() as session:
        (gap,) = ledger_rows.gaps_of_device(session, 1, farm.key_id)
    assert (gap.first, gap.last) == (4, 4)


def test_07_two_keys_for_one_thing_are_the_operators_word_until_the_vrf(world: World) -> None:
    """The item key follows from the secret and the URI alone, so an honest log gives one; a proof does not show it."""
    journey(world)
    keys = {entry: Leaf.parse(leaf) for entry, leaf in leaves(world).items()}
    lines = [line.key for leaf in keys.values() if isinstance(leaf.body, tuple) for line in leaf.body]
    assert set(lines) == {item_key(world.log.item_secret, item_uri("A1"))}
    told = CliRunner().invoke(main, ["verify", "-"], input=json.dumps(world.proof(item_uri("A1"))))
    assert "operator" in told.output or "运营" in told.output or "平台" in told.output


def leaves(world: World) -> dict[int, str]:
    with world.services.reading() as session:
        return {leaf.index: leaf.record for leaf in ledger_rows.leaves(session, 1)}


def test_08_there_is_no_map_yet_so_nothing_relies_on_one(world: World) -> None:
    """A map that leaves out a key cannot be shown: proofs carry no completeness that a verifier would believe."""
    journey(world)
    package = world.proof(item_uri("A1"))
    assert "map" not in package
    assert failing({**package, "map": {}}, world) == ["format"]


# ---- 9 to 13: keys, copies, replays ---------------------------------------------------------------


def test_09_a_signature_cannot_be_denied(world: World) -> None:
    """One key, one message; bound to its holder by the registration authority in the same log."""
    journey(world)
    package = world.proof(item_uri("A1"))
    assert report(package, world).outcome is Outcome.VALID
    unbound = [entry for entry in package["entries"] if "/keyreg/v1" not in entry["leaf"] or entry["index"] == 0]
    assert "signature" in failing({**package, "entries": unbound}, world)
    # A key of small order would sign many messages with one signature.
    for point in (bytes(32), bytes([1]) + bytes(31), bytes.fromhex("ecff" + "ff" * 29 + "7f")):
        with pytest.raises(ParseError):
            PublicKey.parse(Algorithm.ED25519, point)


def test_10_a_stolen_device_key_forks_its_chain(world: World) -> None:
    farm = world.firm("farm")
    thief = replace(farm, device=Device(farm.key, farm.pseudonym, ORIGIN))
    world.scan(thief, item_code("STOLEN"))
    with pytest.raises(ForkError):
        world.scan(farm, item_code("A1"))
    with world.services.reading() as session:
        state = ledger_rows.key(session, 1, farm.key_id)
    assert state is not None and state.frozen_ms is not None
    with pytest.raises(ForkError):
        world.scan(thief, item_code("STOLEN"))
    # The owner looks at it: what was signed since the theft is disputed, and stays visible.
    revoke_key(world.services.authority, farm.key_id, 3, world.clock.now())
    package = world.proof(item_uri("STOLEN"))
    assert failing(package, world) == ["signature"]
    assert named(world) == set()


def test_11_with_the_log_key_nobody_signs_for_an_enterprise(world: World) -> None:
    """The thief has the database and the log key: he can append, and not in another's name."""
    farm = journey(world)
    package = world.proof(item_uri("A1"))
    entry = package["entries"][-1]
    forged = json.loads(json.dumps(package))
    payload = forged["entries"][-1]["envelope"]["payload"]
    forged["entries"][-1]["envelope"]["payload"] = payload[:-8] + "AAAA" + payload[-4:]
    assert report(forged, world).outcome is Outcome.INVALID
    cut = split(event_of([item_uri("A1")]))
    stolen = Envelope(HOP_TYPE, canonical(farm.body(cut)), farm.key_id, LOG.sign(b"anything"))
    with pytest.raises(SignatureError):
        world.send(Parcel(stolen, tuple(each.text for each in cut.disclosures)))
    assert entry["index"] == 5
    # And the fork that he signs is refused (rows 2 and 3).
    witness = PlainWitness(LOG.public)
    assert witness.asked(signed(tree_of("a", "b")), []) == 200
    assert witness.asked(sign_checkpoint(ORIGIN, 3, bytes(32), private_key("thief")), []) == 403


def test_12_a_restored_backup_and_a_second_instance_sign_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "platform"
    folder.mkdir()
    with running(folder) as world:
        farm = journey(world)
        world.services.publish_now()
        with pytest.raises(AlreadyRunningError), open_services(settings(folder), SystemClock()):
            pass
    backup = (folder / "suyuan.sqlite").read_bytes()
    with running(folder) as world:
        world.scan(Firmly(farm).again(world), item_code("A1"))
        world.services.publish_now()
    (folder / "suyuan.sqlite").write_bytes(backup)
    for left in folder.glob("suyuan.sqlite-*"):
        left.unlink()
    with running(folder) as world:
        assert world.services.fork is not None
        assert "an older copy was restored" in str(world.services.fork)
        with pytest.raises(TraceError):
            world.scan(Firmly(farm).again(world), item_code("A1"))


class Firmly:
    """A party whose device goes on where the log says that it stands."""

    def __init__(self, firm: Any) -> None:
        self._firm = firm

    def again(self, world: World) -> Any:
        with world.services.reading() as session:
            seq, prev = ledger_rows.last_of_device(session, 1, self._firm.key_id)
        return replace(self._firm, device=Device(self._firm.key, self._firm.pseudonym, ORIGIN, seq, prev))


def test_13_a_replay_is_the_same_receipt_and_another_log_takes_nothing(world: World, tmp_path: Path) -> None:
    farm = world.firm("farm")
    parcel = farm.device.sign(event_of([item_uri("A1")]), at=world.clock.now())
    receipts = {json.dumps(world.send(parcel).to_dict()) for _ in range(5)}
    assert len(receipts) == 1
    elsewhere = Device(farm.key, farm.pseudonym, "other.example", farm.device.seq, farm.device.prev)
    foreign = elsewhere.sign(event_of([item_uri("A1")]), at=world.clock.now())
    with pytest.raises(ValidationError, match=r"^payload is meant for the log 'other.example'"):
        world.send(foreign)


# ---- 14 to 18: the outside ------------------------------------------------------------------------


def test_14_a_copied_tag_is_sold_twice(world: World) -> None:
    shop = world.firm("shop")
    world.scan(shop, item_code("A1"), "commissioning", action="ADD")
    for _ in range(2):
        world.scan(shop, item_code("A1"), "retail_selling", disposition="retail_sold")
    story = world.story(item_uri("A1"))
    assert (story.sales, str(story.verdict.code)) == (2, "sold2")


def test_15_a_date_that_is_claimed_stands_beside_the_time_of_receipt(world: World) -> None:
    farm = world.firm("farm")
    future = event_of([item_uri("A1")], eventTime="2026-11-25T00:59:00.000Z")
    with pytest.raises(ValidationError, match=r"in the future"):
        world.record(farm, future)
    farm.device = Device(farm.key, farm.pseudonym, ORIGIN)
    world.record(farm, event_of([item_uri("A1")], eventTime="2026-11-01T00:59:00.000Z"))
    (hop,) = world.story(item_uri("A1")).hops
    assert hop.received_at - hop.event_time > timedelta(days=22)
    # Receipt times cannot go back: a clock that is set back does not move them.
    world.clock.advance(hours=-5)
    world.scan(farm, item_code("A1"))
    received = [Leaf.parse(record).rcv_ms for record in leaves(world).values()]
    assert received == sorted(received)
    assert named(world) == set()


@pytest.mark.parametrize(
    "trick",
    [
        lambda payload: payload.replace(b'"seq":1', b'"seq":1,"seq":1'),
        lambda payload: payload.replace(b'"seq":1', b'"seq": 1'),
        lambda payload: payload.replace(b'"seq":1', b'"seq":1.0'),
        lambda payload: payload.replace(b"receiving", b"receivin\\u0067"),
        lambda payload: payload[:-1] + b',"z":NaN}',
        lambda payload: payload + b"\n",
        lambda payload: b"\xef\xbb\xbf" + payload,
    ],
)
def test_16_a_payload_has_one_spelling(world: World, trick: Callable[[bytes], bytes]) -> None:
    farm = world.firm("farm")
    cut = split(event_of([item_uri("A1")]))
    payload = canonical(farm.body(cut))
    twisted = trick(payload)
    assert twisted != payload
    with pytest.raises(ParseError):
        world.send(farm.sign(twisted, cut.disclosures))
    # A hop is no statement, a leaf no inner node.
    with pytest.raises(ParseError, match=r"carries a 'hop'"):
        world.send(farm.sign(payload, cut.disclosures, STATEMENT_TYPE))
    left, right = bytes(32), bytes(32)
    assert node_hash(left, right) != record_hash((left + right).decode("latin-1"))


ORDER = 2**252 + 27742317777372353535851937790883648493


def test_17_a_second_spelling_of_a_signature_is_no_second_hop(world: World) -> None:
    farm = world.firm("farm")
    parcel = farm.device.sign(event_of([item_uri("A1")]), at=world.clock.now())
    signature = parcel.envelope.signature
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    with pytest.raises(SignatureError):
        world.send(replace(parcel, envelope=replace(parcel.envelope, signature=other)))
    # ECDSA has two signatures for every message; what counts is the payload under its key.
    p256_order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    phone = registered_phone(world)
    first = phone.parcel(world)
    s = int.from_bytes(first.envelope.signature[32:])
    twin = first.envelope.signature[:32] + (p256_order - s).to_bytes(32)
    receipt = world.send(first)
    assert world.send(replace(first, envelope=replace(first.envelope, signature=twin))).leaf == receipt.leaf
    assert named(world) == set()


class Phone:
    """A browser's P-256 key, whose payload is signed by hand."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public = PublicKey.parse(Algorithm.ECDSA_P256_SHA256, point)
        self.pseudonym = pseudonym("phone")

    def parcel(self, world: World) -> Parcel:

        helper = world.firm("helper")
        cut = split(event_of([item_uri("A1")]))
        body = helper.body(cut, iss=self.pseudonym, dev=self.public.key_id, seq=1, prev=None)
        payload = canonical(body)
        r, s = decode_dss_signature(self._key.sign(pae(HOP_TYPE, payload), ec.ECDSA(hashes.SHA256())))
        envelope = Envelope(HOP_TYPE, payload, self.public.key_id, r.to_bytes(32) + s.to_bytes(32))
        return Parcel(envelope, tuple(each.text for each in cut.disclosures))


def registered_phone(world: World) -> Phone:
    phone = Phone()
    register_key(world.services.authority, phone.public, phone.pseudonym, "device", world.clock.now())
    return phone


def test_18_nobody_finds_out_what_moved_by_trying_codes(world: World) -> None:
    farm = world.firm("farm")
    for serial in ("A1", "A1"):
        world.scan(farm, item_code(serial))
    records = "".join(leaves(world).values())
    # No unsalted hash of a code stands in a leaf: the key is the log's secret's, the rest is salted.
    for guess in (item_uri("A1"), item_code("A1").decode()):
        digest = hashlib.sha256(guess.encode()).digest()
        assert base64.b64encode(digest).decode() not in records
    assert item_key(world.log.item_secret, item_uri("A1")) != item_key(bytes(32), item_uri("A1"))
    once, again = (split(event_of([item_uri("A1")], eventID="urn:x")) for _ in range(2))
    assert not set(once.items) & set(again.items)
    assert not set(once.sd) & set(again.sd)


# ---- 19 to 23: machines, pages, people ------------------------------------------------------------


def test_19_a_bit_that_flips_before_signing_is_not_signed(world: World) -> None:
    farm = journey(world)
    world.services.publish_now()
    world.services.sequencer.on_commit = lambda: None
    world.scan(farm, item_code("A1"))
    newest = len(leaves(world)) - 1
    execute(world, f"UPDATE leaf SET record = replace(record, 'rcv 1', 'rcv 3') WHERE leaf_index = {newest}")
    with pytest.raises(LedgerError, match=r"not signed"):
        world.services.publish_now()


def test_20_the_page_is_not_the_only_verifier(world: World, tmp_path: Path) -> None:
    """A page that the operator serves can lie about its own verdict; the file it gives out cannot."""
    journey(world)
    file = tmp_path / "proof.json"
    package = world.proof(item_uri("A1"))
    file.write_text(json.dumps(package))
    honest = CliRunner().invoke(main, ["verify", str(file), "--log-key", world.log.verifier_key])
    assert honest.exit_code == 0
    package["steps"].pop(0)
    file.write_text(json.dumps(package))
    assert CliRunner().invoke(main, ["verify", str(file), "--log-key", world.log.verifier_key]).exit_code == 1


def test_21_witnesses_of_one_hand_are_no_quorum() -> None:
    keys = {name: cosigner_key(f"{name}.example", private_key(name).public) for name in ("city", "county", "consumer")}
    lines = [f"witness {name} {key}" for name, key in keys.items()]
    policy = Policy.parse(
        "\n".join([*lines, "group gov any city county", "group all all gov consumer", "quorum all", ""]).encode()
    )
    assert not policy.satisfied({"city", "county"})
    assert policy.satisfied({"county", "consumer"})


def test_22_what_is_too_much_is_refused_before_it_costs_anything(world: World) -> None:
    farm = world.firm("farm")
    with pytest.raises(LimitError):
        world.record(farm, event_of([item_uri(f"N{n}") for n in range(501)]))
    with pytest.raises(LimitError):
        world.send(b"{" + b" " * 3_000_000 + b"}")
    with pytest.raises(LimitError, match=r"nested deeper"):
        world.send(b'{"envelope":' + b"[" * 100_000)
    assert len(leaves(world)) == 3


def test_23_a_line_of_a_later_kind_on_a_checkpoint_disturbs_nobody(world: World) -> None:
    """ML-DSA-44 lines (type 0x06) are not written yet; checkpoints that carry them are read."""
    journey(world)
    package = world.proof(item_uri("A1"))
    line = f"\u2014 later.example {base64.b64encode(bytes(4 + 8 + 2420)).decode()}"
    package["checkpoint"] += f"{line}\n"
    assert len(Note.parse(package["checkpoint"]).signatures) == 2
    assert report(package, world).outcome is Outcome.VALID


def test_no_row_of_the_table_is_left_out() -> None:
    rows = {name[5:7] for name in globals() if name.startswith("test_") and name[5:7].isdigit()}
    assert rows == {f"{n:02d}" for n in range(1, 24)}
