"""The two verifiers, Python and JavaScript: what they accept, every attack we know, and that they always agree."""

import base64
import copy
import dataclasses
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nacl.signing import SigningKey

from app.commands.verify import verify
from tests.conftest import ROOT, missing
from tests.forge import ITEM, MATE, ORIGIN, PALLET, Json, Log, Signer, Story, b64, b64u, sha256
from trace.errors import TraceError
from trace.ledger.verify import Check, Outcome, Report, verify_package
from trace.ledger.verify_primitives import ed25519, included, open_note, p256, pae, strict_point

VERIFY_JS = ROOT / "app" / "static" / "verify.js"
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

HONEST = Story().register().travel()
LOT = "https://id.gs1.org/01/06901234567892/10/LOT7"
OWN_CODE = "https://trace.example/id/cn-drug/81234567890123456789"


@dataclasses.dataclass(frozen=True)
class Case:
    """A package, what the caller knows, and what both verifiers must say."""

    package: Json
    outcome: str
    failing: str = ""
    """Names of the checks that do not hold."""
    says: str = ""
    """What Python says of the first of them."""
    log_key: str | None = None
    uri: str | None = None


def check_python(case: Case) -> Report:
    return verify_package(json.dumps(case.package).encode(), log_key=case.log_key, expected_uri=case.uri)


def told(report: Report) -> dict[str, Any]:
    """What the two verifiers must agree on."""
    return {
        "outcome": str(report.outcome),
        "checks": [[check.name, check.ok] for check in report.checks],
        "steps": report.steps,
        "attested": report.attested,
        "size": report.size,
        "origin": report.origin,
    }


# ---- the cases --------------------------------------------------------------------------------


def edited(edit: Callable[[Json], object]) -> Json:
    package = copy.deepcopy(HONEST.package())
    edit(package)
    return package


def story(by: str = "scanner", *, before: Callable[[Story], object] | None = None, **twist: Any) -> Json:
    """A registered log with one hop of the item, written with a twist."""
    made = Story().register()
    if before:
        before(made)
    made.hop(getattr(made, by), {"bizStep": "commissioning", "epcList": [ITEM]}, **twist)
    return made.package()


def drop_leaf(index: int) -> Json:
    def edit(package: Json) -> None:
        package["entries"] = [entry for entry in package["entries"] if entry["index"] != index]
        package["steps"] = [step for step in package["steps"] if step["index"] != index]

    return edited(edit)


def drop_first_step(package: Json) -> Json:
    first = package["steps"].pop(0)
    package["entries"] = [entry for entry in package["entries"] if entry["index"] != first["index"]]
    return package


def swap_entries(package: Json) -> None:
    entries = package["entries"]
    entries[6], entries[7] = entries[7], entries[6]


def disclose_mate(package: Json) -> None:
    """The mate's disclosure instead of ours: signed in the same leaf, but of another item."""
    entry = package["entries"][5]
    theirs = HONEST.log.entry(5, {MATE})["disclosures"]
    entry["disclosures"] = theirs


def second_hop(made: Story, **twist: Any) -> Json:
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    made.hop(made.scanner, {"bizStep": "shipping", "epcList": [ITEM]}, **twist)
    return made.package()


def registered_too_late() -> Json:
    made = Story()
    made.keys = [made.log.register(made.authority, made.authority)]
    made.hop(made.phone, {"bizStep": "commissioning", "epcList": [ITEM]})
    made.keys.append(made.log.register(made.authority, made.phone))
    return made.package()


def revoked(since: int | None, *, first: bool) -> Json:
    made = Story().register()
    if first:
        made.keys.append(made.log.revoke(made.authority, made.scanner, since))
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    if not first:
        made.keys.append(made.log.revoke(made.plant, made.scanner, since))
    return made.package()


def small_order_key() -> Json:
    """Under the neutral point, R = B and S = 1 is a signature of every message for a verifier that does not look."""
    made = Story()
    base_point = bytes([0x58] + [0x66] * 31)
    made.phone = Signer("phone", "device")
    made.phone.public = bytes([1] + [0] * 31)
    made.phone.sign = lambda message: base_point + bytes([1] + [0] * 31)
    made.register()
    made.hop(made.phone, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def signed_by_another(made: Story) -> None:
    made.scanner.sign = made.plant.sign


def reserved_algorithm() -> Json:
    made = Story()
    made.phone = Signer("phone", "device")
    made.phone.algorithm = 3
    made.register()
    made.hop(made.phone, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def unknown_kind() -> Json:
    made = Story().register()
    made.keys.append(made.log._append(made.authority, "merge", {}, [], ["scope everything"]))
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


SHIPPED = {"bizStep": "shipping", "epcList": [ITEM]}
CASE = "https://trace.example/id/case/0123456789abcdef0123456789abcdef"


def corrected(by: str = "scanner", event: Json = SHIPPED, drop: bool = False, **twist: Any) -> Json:
    """A hop, and the declaration by `by` that it was an error."""
    made = Story().register()
    wrong = made.hop(made.scanner, SHIPPED)
    index = made.log.correct(getattr(made, by), wrong, event, **twist)
    steps = [(index, ITEM, "self")] if drop else [(wrong, ITEM, "self"), (index, ITEM, "self")]
    return made.log.package(ITEM, steps, tuple(made.keys))


def corrected_for_another(party: str) -> Json:
    made = Story().register()
    wrong = made.log.hop(made.platform, SHIPPED, attests="f" * 32)
    index = made.log.correct(made.platform, wrong, SHIPPED, attests=party)
    return made.log.package(ITEM, [(wrong, ITEM, "self"), (index, ITEM, "self")], tuple(made.keys))


def corrects_a_correction() -> Json:
    made = Story().register()
    wrong = made.hop(made.scanner, SHIPPED)
    first = made.log.correct(made.scanner, wrong, SHIPPED)
    second = made.log.correct(made.scanner, first, SHIPPED)
    return made.log.package(ITEM, [(n, ITEM, "self") for n in (wrong, first, second)], tuple(made.keys))


def rotated(*, old_signs_on: bool = False, **twist: Any) -> Json:
    """The scanner's key is changed for another, which records the hop."""
    made = Story().register()
    next_key = Signer("next scanner", "device")
    made.keys.append(made.log.rotate(made.scanner, next_key, **twist))
    made.hop(made.scanner if old_signs_on else next_key, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def rotated_twice() -> Json:
    made = Story().register()
    first, second = Signer("first", "device"), Signer("second", "device", algorithm=2)
    made.keys.append(made.log.rotate(made.scanner, first))
    made.keys.append(made.log.rotate(first, second))
    made.hop(second, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def case(by: str = "authority", **twist: Any) -> Json:
    """A blacklisting from its opening to its publication."""
    made = Story().register()
    signer = getattr(made, by)
    steps = [
        made.log.case(made.authority, "blacklist", CASE, "open", {"name": "某公司"}),
        made.log.case(signer, "blacklist", CASE, "publish", {"number": "临罚〔2026〕1号"}, **twist),
    ]
    return made.log.package(CASE, [(n, CASE, "self") for n in steps], tuple(made.keys))


def beside(write: Callable[[Story], int]) -> Json:
    """A story with another leaf in its package."""
    return story(before=lambda made: made.keys.append(write(made)))


def second_authority() -> Json:
    made = Story().register()
    made.keys.append(made.log.register(made.authority, Signer("usurper", "authority")))
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def foreign_delegation() -> Json:
    """An enterprise registers a device for somebody else."""
    made = Story().register()
    stranger = Signer("stranger", "device", issuer="neighbour")
    made.keys.append(made.log.register(made.plant, stranger))
    made.hop(stranger, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def replaced_public_member() -> Json:
    forged = Log().disclose("/eventTime", "2020-01-01T00:00:00Z")
    package = story(payload_twist={"_sd": [b64u(sha256(forged.encode()))]})
    package["entries"][-1]["disclosures"] = [*package["entries"][-1]["disclosures"][:1], forged]
    return package


def one_of_many(n: int) -> Json:
    """An attested event of more keys than one leaf holds."""
    made = Story().register()
    uris = [f"https://id.gs1.org/01/06901234567892/21/N{n:04d}" for n in range(501)]
    first = made.log.hop(made.platform, {"bizStep": "shipping", "epcList": uris}, attests="f" * 32)
    return made.log.package(uris[n], [(first + n // 500, uris[n], "self")], tuple(made.keys))


def single(uri: str, field: str = "epcList") -> Json:
    made = Story().register()
    index = made.log.hop(made.scanner, {"bizStep": "commissioning", field: [uri]})
    return made.log.package(uri, [(index, uri, "self")], tuple(made.keys))


def only_via_container() -> Json:
    made = Story().register()
    index = made.log.hop(made.scanner, {"bizStep": "shipping", "epcList": [PALLET]})
    package = made.log.package(PALLET, [(index, PALLET, "container")], tuple(made.keys))
    return {**package, "uri": ITEM, "path": ITEM.removeprefix("https://id.gs1.org")}


def other_log_note(package: Json) -> None:
    package["checkpoint"] = Story().register().log.checkpoint()


def other_log() -> str:
    log = Log()
    log.key = SigningKey(sha256(b"another log"))
    return log.log_key


def bare_json(member: bytes) -> Callable[[bytes], bytes]:
    return lambda payload: payload[:-1] + b"," + member + b"}"


def cases() -> dict[str, Case]:
    def bad(package: Json, failing: str = "", says: str = "", **known: str) -> Case:
        return Case(package, "invalid", failing, says, **known)

    def open_(package: Json, failing: str = "", says: str = "", **known: str) -> Case:
        return Case(package, "unchecked", failing, says, **known)

    honest = HONEST.package()
    return {
        # ---- valid
        "the honest story": Case(honest, "valid", log_key=HONEST.log.log_key, uri=ITEM),
        "nothing brought along": Case(honest, "valid"),
        "a lot": Case(single(LOT), "valid", uri=LOT),
        "a code that GS1 does not own": Case(single(OWN_CODE), "valid", uri=OWN_CODE),
        "an item in the first leaf of many": Case(one_of_many(499), "valid"),
        "an item in the second leaf of many": Case(one_of_many(500), "valid"),
        "a key revoked after its hop": Case(revoked(None, first=False), "valid"),
        # ---- checkpoint
        "another log key is trusted": bad(
            honest,
            "checkpoint",
            "log key 'trace.example/linhe+ee7d60e2+AUjgW0k/ifzcgyVjX9IWULGe+1D6pl4b…",
            log_key=other_log(),
        ),
        "the trusted key is none": open_(
            honest,
            "checkpoint",
            "could not check: the key that was given is none: log key 'no key': exp…",
            log_key="no key",
        ),
        "checkpoint of another tree": bad(
            edited(other_log_note), "inclusion", "leaf 0: leaf and path do not give the root of 5 leaves"
        ),
        "checkpoint without a signature": bad(
            edited(lambda p: p.update(checkpoint=p["checkpoint"].split("\u2014")[0] + "\u2014 \n")),
            "checkpoint",
            "note: line '— ': expected '— <name> <base64>'",
        ),
        "checkpoint of one leaf more": bad(
            edited(lambda p: p.update(checkpoint=p["checkpoint"].replace("\n11\n", "\n12\n"))),
            "checkpoint",
            "the signature of trace.example/linhe+ee7d60e2 is not one over this note",
        ),
        "another origin": bad(
            edited(lambda p: p.update(origin="trace.example")),
            "checkpoint inclusion",
            "package: origin 'trace.example': expected 'trace.example/linhe'",
        ),
        # ---- inclusion
        "truncated path": bad(
            edited(lambda p: p["entries"][6]["path"].pop()),
            "inclusion",
            "leaf 6: leaf and path do not give the root of 11 leaves",
        ),
        "longer path": bad(
            edited(lambda p: p["entries"][6]["path"].append(b64(bytes(32)))),
            "inclusion",
            "leaf 6: leaf and path do not give the root of 11 leaves",
        ),
        "path of another leaf": bad(
            edited(lambda p: p["entries"][6].update(path=p["entries"][5]["path"])),
            "inclusion",
            "leaf 6: leaf and path do not give the root of 11 leaves",
        ),
        "swapped entries": bad(edited(swap_entries), "inclusion", "leaf 6 stands after leaf 7: expected log order"),
        "an entry under another index": bad(
            edited(lambda p: p["entries"][9].update(index=10)),
            "inclusion subject chain",
            "leaf 10: leaf and path do not give the root of 11 leaves",
        ),
        "an index beyond the tree": bad(
            edited(lambda p: p["entries"][9].update(index=11)),
            "inclusion subject chain",
            "leaf 11: leaf and path do not give the root of 11 leaves",
        ),
        "an entry twice": bad(
            edited(lambda p: p["entries"].append(p["entries"][9])),
            "inclusion",
            "leaf 9 stands after leaf 9: expected log order",
        ),
        # ---- envelope
        "envelope of another leaf": bad(
            edited(lambda p: p["entries"][6].update(envelope=p["entries"][5]["envelope"])),
            "envelope disclosure subject",
            "leaf 6: env line 'env uYH/g6SN4OJBWRqejM0Ts85VR8IIUNWD+JSfgVYhFZc= 1/1…",
        ),
        "meant for another log": bad(
            story(payload_twist={"aud": "other.example"}),
            "envelope",
            "leaf 5: aud 'other.example': expected 'trace.example/linhe'",
        ),
        "seq without prev": bad(
            second_hop(Story().register(), payload_twist={"prev": None}),
            "envelope",
            "leaf 6: seq 2: expected prev from the second payload on, and only then",
        ),
        "a line more than items": bad(
            story(line_twist=lambda line: f"{line}\nitem {b64(Log.item_key(MATE))} 1 - -"),
            "envelope",
            "leaf 5: 2 item lines, expected 1",
        ),
        "the leaf registers another key than its payload": bad(
            story(
                before=lambda s: s.keys.append(
                    s.log.register(
                        s.authority,
                        Signer("x", "device"),
                        line_twist=lambda _: f"key {s.phone.key_id} 2 {b64(s.phone.public)} {s.phone.issuer} device",
                    )
                )
            ),
            "envelope",
            "leaf 5: body 'key 59987806dba9ad3608fcb07ebd82686c7bcfe488997dd72b496c…",
        ),
        "statement posing as a hop": bad(
            story(payload_twist={"type": "keyreg", "key": None}),
            "format",
            "leaf 5: payload: key: expected the members alg, public, issuer, role; got NoneType",
        ),
        # ---- signature
        "key not registered": bad(drop_leaf(2), "signature", "leaf 5: no earlier entry registers key d46dcf6bf6e43e1f"),
        "authority not in the package": bad(
            drop_leaf(0), "signature", "leaf 1: no earlier entry registers key 728309841a92e5ae"
        ),
        "key registered after the hop": bad(
            registered_too_late(), "signature", "leaf 1: no earlier entry registers key 59987806dba9ad36"
        ),
        "revoked key": bad(
            revoked(None, first=True), "signature", "leaf 6: key d46dcf6bf6e43e1f is revoked from leaf 5 on"
        ),
        "key compromised before the hop, revoked later": bad(
            revoked(5, first=False), "signature", "leaf 5: key d46dcf6bf6e43e1f is revoked from leaf 5 on"
        ),
        "key compromised after the hop": Case(revoked(6, first=False), "valid"),
        "small-order key": bad(
            small_order_key(),
            "format",
            "leaf 3: payload: key: not a strict Ed25519 key (32 bytes, canonical, not of small order)",
        ),
        "signed by another key": bad(
            story(before=signed_by_another),
            "signature",
            "leaf 5: the signature is not one of key d46dcf6bf6e43e1f over this",
        ),
        "another issuer": bad(
            story(payload_twist={"iss": "0" * 32}),
            "signature",
            "leaf 5: issuer '00000000000000000000000000000000': expected '7c5a3d658…",
        ),
        "hop by an enterprise key": Case(story("plant"), "valid"),
        "hop by the authority": bad(
            story("authority"),
            "signature",
            "leaf 5: a key of role authority signed a hop: expected device or enterprise",
        ),
        "device attests": bad(
            story(attests="f" * 32), "signature", "leaf 5: a key of role device signed a hop: expected attestation"
        ),
        "attestation key without saying for whom": bad(
            story("platform"),
            "signature",
            "leaf 5: a key of role attestation signed a hop: expected device or enterprise",
        ),
        "second authority": bad(
            second_authority(), "signature", "leaf 5: a key of role authority may not register a key of role authority"
        ),
        "enterprise registers a stranger": bad(
            foreign_delegation(), "signature", "leaf 5: a key of role enterprise may not register a key of role device"
        ),
        "enterprise revokes a stranger's key": bad(
            story(before=lambda s: s.keys.append(s.log.revoke(s.plant, s.phone))),
            "signature",
            "leaf 5: a key of role enterprise may not revoke key 59987806dba9ad36",
        ),
        "reserved algorithm": open_(
            reserved_algorithm(), "signature", "could not check: leaf 5: algorithm 3 is not known here"
        ),
        "unknown kind of leaf": open_(
            unknown_kind(), "envelope", "could not check: leaf 5: kind merge/v1 is not known here"
        ),
        # ---- kinds beside the hop
        "an error is declared by who made it": Case(corrected(), "valid"),
        "an error is declared by the authority": Case(corrected("authority"), "valid"),
        "an error is declared by another party": bad(
            corrected("phone"), "chain", "leaf 6: corrects leaf 5: was recorded by another party"
        ),
        "an error of an attested hop is declared for its party": Case(corrected_for_another("f" * 32), "valid"),
        "an error of an attested hop is declared for another": bad(
            corrected_for_another("e" * 32), "chain", "leaf 6: corrects leaf 5: was recorded by another party"
        ),
        "an error of other things": bad(
            corrected(event={**SHIPPED, "epcList": [ITEM, MATE]}),
            "chain",
            "leaf 6: corrects leaf 5: names other things than that hop",
        ),
        "an error of another leaf": bad(
            corrected(leaf_hash=bytes(32)), "chain", "leaf 6: corrects leaf 5: expected an earlier hop with that hash"
        ),
        "an error of a declaration": bad(
            corrects_a_correction(), "chain", "leaf 7: corrects leaf 6: expected an earlier hop with that hash"
        ),
        "the hop that was an error is left out": bad(
            corrected(drop=True), "chain", "leaf 6: hop 2 of the thing, expected hop 1"
        ),
        "the leaf corrects another hop than its payload": bad(
            corrected(payload_twist={"corrects": {"leaf": 4, "hash": b64u(bytes(32))}}),
            "envelope chain",
            "leaf 6: body 'correct 5 uYL5OozwA8H9xzSQ6jA/OzdC3xmY+GAvBUMJSYH…",
        ),
        "a rotated key": Case(rotated(), "valid"),
        "a key rotated twice": Case(rotated_twice(), "valid"),
        "the old key after its rotation": bad(
            rotated(old_signs_on=True), "signature", "leaf 6: key d46dcf6bf6e43e1f is revoked from leaf 6 on"
        ),
        "a rotation to a key that nobody holds": bad(
            rotated(held_by=Signer("thief", "device")),
            "signature",
            "leaf 5: the new key 15f1a8a5cb34f14d did not sign its proof",
        ),
        "a case and its steps": Case(case(), "valid", uri=CASE),
        "a step of a case by a device": bad(
            case("scanner"), "signature", "leaf 6: a key of role device signed a blacklist: expected authority"
        ),
        "a case without its first step": bad(
            drop_first_step(case()), "chain", "leaf 6: hop 2 of the thing, expected hop 1"
        ),
        "a step of two cases": bad(
            case(payload_twist={"items": [b64u(bytes(32)), b64u(sha256(b"x"))]}),
            "format",
            "leaf 6: payload: 2 items: expected one, the case",
        ),
        "an erasure": Case(beside(lambda s: s.log.erase(s.authority, 1, [0, 2])), "valid"),
        "an erasure by a device": bad(
            beside(lambda s: s.log.erase(s.phone, 1, [0, 2])),
            "signature",
            "leaf 5: a key of role device signed a erase: expected authority",
        ),
        "an erasure of something else than signed": bad(
            beside(lambda s: s.log.erase(s.authority, 1, [0], line_twist=lambda _: "erase 1 0,1")),
            "envelope",
            "leaf 5: body 'erase 1 0,1': expected 'erase 1 0'",
        ),
        "an anchor": Case(beside(lambda s: s.log.other_tree(s.authority, "anchor")), "valid"),
        "an import": Case(beside(lambda s: s.log.other_tree(s.authority, "import")), "valid"),
        "an anchor by an enterprise": bad(
            beside(lambda s: s.log.other_tree(s.plant, "anchor")),
            "signature",
            "leaf 5: a key of role enterprise signed a anchor: expected authority",
        ),
        # ---- disclosure
        "disclosure of another item": bad(
            edited(disclose_mate),
            "disclosure subject",
            "leaf 5: disclosure of '/epcList/1' tells of 'https://id.gs1.org/01/069…",
        ),
        "disclosure of another leaf": bad(
            edited(lambda p: p["entries"][6]["disclosures"].append(p["entries"][5]["disclosures"][0])),
            "disclosure",
            "leaf 6: disclosure of '/epcList/0': digest CQDqEVNXZjbWum-fmjFaGdrOqKv…",
        ),
        "disclosure twice": bad(
            edited(lambda p: p["entries"][6]["disclosures"].append(p["entries"][6]["disclosures"][0])),
            "disclosure",
            "leaf 6: disclosure of '/parentID' stands twice",
        ),
        "disclosure nobody signed": bad(
            edited(lambda p: p["entries"][6]["disclosures"].append(Log().disclose("/ilmd/organic", True))),
            "disclosure",
            "leaf 6: disclosure of '/ilmd/organic': digest vGCPc6OLAyRqitg7Emk1f4T4…",
        ),
        "public member replaced": bad(
            replaced_public_member(), "disclosure", "leaf 5: disclosure of '/eventTime' would replace a public member"
        ),
        "a digest twice": bad(
            story(payload_twist={"items": ["x", "x"]}), "format", "leaf 5: payload: a digest stands twice"
        ),
        "item key of another thing": bad(
            edited(lambda p: p["itemKeys"].update({ITEM: b64(Log.item_key(MATE))})),
            "disclosure subject chain",
            "leaf 5: the item line of https://id.gs1.org/01/06901234567892/21/ABC12…",
        ),
        # ---- subject
        "package of the mate": bad(
            edited(lambda p: None),
            "subject",
            "uri 'https://id.gs1.org/01/06901234567892/21/ABC123': expected 'https:…",
            uri=MATE,
        ),
        "package of the item under the mate's address": bad(
            edited(lambda p: p.update(uri=MATE, path=MATE.removeprefix("https://id.gs1.org"))),
            "subject chain",
            "step 0: via self for https://id.gs1.org/01/06901234567892/21/ABC123: e…",
        ),
        "path of another thing": bad(
            edited(lambda p: p.update(path="/01/06901234567892/21/ABC124")),
            "subject",
            "uri 'https://id.gs1.org/01/06901234567892/21/ABC123': expected 'https:…",
        ),
        "uri on another host": bad(
            edited(lambda p: p.update(uri=p["uri"].replace("id.gs1.org", "gs1.example"))),
            "subject chain",
            "uri 'https://gs1.example/01/06901234567892/21/ABC123': expected 'https…",
        ),
        "step without its entry": bad(
            edited(lambda p: p["entries"].pop()),
            "subject chain",
            "step 4: leaf 9 has no item line that is told to be https://id.gs1.org/…",
        ),
        "step at a key's leaf": bad(
            edited(lambda p: p["steps"][0].update(index=1)),
            "subject chain",
            "step 0: leaf 1 has no item line that is told to be https://id.gs1.org/…",
        ),
        "step twice": bad(
            edited(lambda p: p["steps"].append(p["steps"][2])), "subject", "step 5: leaf 7 is told twice"
        ),
        "item key without a step": bad(
            edited(lambda p: p["itemKeys"].update({MATE: b64(Log.item_key(MATE))})),
            "subject",
            "itemKeys: expected one for each subject of a step, and no other",
        ),
        "own hop shown as that of the container": bad(
            edited(lambda p: p["steps"][0].update(via="container")),
            "subject chain",
            "step 0: via container for https://id.gs1.org/01/06901234567892/21/ABC1…",
        ),
        # ---- chain
        "dropped middle hop": bad(drop_leaf(6), "chain", "leaf 8: hop 3 of the thing, expected hop 2"),
        "dropped first hop": bad(drop_leaf(5), "chain", "leaf 6: hop 2 of the thing, expected hop 1"),
        "dropped last hop is not noticed": Case(drop_leaf(9), "valid"),
        "ord skips one": bad(
            second_hop(Story().register(), line_twist=lambda line: line.replace(" 2 ", " 3 ")),
            "chain",
            "leaf 6: hop 3 of the thing, expected hop 2",
        ),
        "hash of another leaf before": bad(
            second_hop(Story().register(), line_twist=lambda line: f"{line[:-44]}{b64(bytes(32))}"),
            "chain",
            "leaf 6: names another leaf as the hop before, expected leaf 5 with its hash",
        ),
        "index of another leaf before": bad(
            second_hop(Story().register(), line_twist=lambda line: line.replace(" 2 5 ", " 2 4 ")),
            "chain",
            "leaf 6: names another leaf as the hop before, expected leaf 5 with its hash",
        ),
        "no hop of the thing itself": open_(
            only_via_container(), "chain", "could not check: no step is a hop of https://id.gs1.org/01/06901234567…"
        ),
        # ---- format
        "newer format": open_(
            edited(lambda p: p.update(format="suyuan-proof/v2")),
            "format",
            "could not check: format 'suyuan-proof/v2': expected 'suyuan-proof/v1';…",
        ),
        "another format": bad(
            edited(lambda p: p.update(format="c2sp.org/tlog-proof@v1")),
            "format",
            "format 'c2sp.org/tlog-proof@v1': expected 'suyuan-proof/v1'",
        ),
        "member nobody checks": bad(
            edited(lambda p: p.update(verdict="safe")),
            "format",
            "package: expected the members format, origin, logKey, uri, path, check…",
        ),
        "member missing": bad(
            edited(lambda p: p.pop("itemKeys")),
            "format",
            "package: expected the members format, origin, logKey, uri, path, check…",
        ),
        "two signatures": bad(
            edited(
                lambda p: p["entries"][6]["envelope"]["signatures"].append(p["entries"][5]["envelope"]["signatures"][0])
            ),
            "format",
            "leaf 6: envelope: expected exactly one signature",
        ),
        "duplicate member in a payload": bad(
            story(raw_twist=bare_json(b'"aud":"other.example"')),
            "format",
            "leaf 5: payload: a member stands twice in one object",
        ),
        "duplicate member, spelled with an escape": bad(
            story(raw_twist=bare_json(b'"\\u0061ud":"other.example"')),
            "format",
            "leaf 5: payload: a member stands twice in one object",
        ),
        "duplicate member deep in a payload": bad(
            story(raw_twist=bare_json(b'"x":[{"a":1,"b":{},"a":2}]')),
            "format",
            "leaf 5: payload: a member stands twice in one object",
        ),
        "same name in two objects is no duplicate": Case(
            story(raw_twist=bare_json(b'"x":[{"a":1},{"a":{"a":2}}]')), "valid"
        ),
        "NaN in a payload": bad(story(raw_twist=bare_json(b'"x":NaN')), "format", "leaf 5: payload: NaN is not JSON"),
        "number beyond a double": bad(
            story(raw_twist=bare_json(b'"x":1e999')), "format", "leaf 5: payload: number 1e999 is beyond a double"
        ),
        "integer beyond 2^53": bad(
            story(raw_twist=bare_json(b'"x":9007199254740993')),
            "format",
            "leaf 5: payload: integer 9007199254740993 is beyond 2^53",
        ),
        "lone surrogate": bad(
            story(raw_twist=bare_json(b'"x":"\\ud800"')),
            "format",
            "leaf 5: payload: a lone surrogate is not a character",
        ),
        "not UTF-8": bad(
            story(raw_twist=bare_json(b'"x":"\xff"')),
            "format",
            "leaf 5: payload: 'utf-8' codec can't decode byte 0xff in position 475:…",
        ),
        "byte order mark": bad(
            story(raw_twist=lambda payload: b"\xef\xbb\xbf" + payload),
            "format",
            "leaf 5: payload: Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
        ),
        "deep payload": bad(
            story(raw_twist=bare_json(b'"x":' + b"[" * 16 + b"]" * 16)),
            "format",
            "leaf 5: payload: nested deeper than 16 levels",
        ),
        "payload as deep as allowed": Case(story(raw_twist=bare_json(b'"x":' + b"[" * 15 + b"]" * 15)), "valid"),
        "abyss": bad(
            story(raw_twist=bare_json(b'"x":' + b"[" * 100_000 + b"]" * 100_000)),
            "format",
            "leaf 5: payload: nested deeper than 16 levels",
        ),
        "huge payload": bad(
            story(raw_twist=bare_json(b'"x":"' + b"x" * 2**21 + b'"')),
            "format",
            "leaf 5: payload: 2097629 bytes, at most 2097152 are read",
        ),
        "payload is no object": bad(story(raw_twist=lambda _: b"[]"), "format", "leaf 5: payload: expected an object"),
    }


def signed_lines(package: Json) -> None:
    """A second blank line, and the log key's own signature over all that stands before it."""
    lines = "\n".join([*package["checkpoint"].split("\n")[:3], "", "and more", ""])
    key_hash = bytes.fromhex(HONEST.log.log_key.split("+")[1])
    signature = HONEST.log.key.sign(lines.encode()).signature
    package["checkpoint"] = f"{lines}\n\u2014 {ORIGIN} {b64(key_hash + signature)}\n"


def rewritten(edit: Callable[[Log], object], **twist: Any) -> Json:
    """A log whose stored leaves were edited before the proof was made."""
    made = Story().register()
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]}, **twist)
    edit(made.log)
    return made.package()


def leaf_edited(old: str, new: str) -> Callable[[Log], object]:
    def edit(log: Log) -> None:
        assert old in log.leaves[5]
        log.leaves[5] = log.leaves[5].replace(old, new)

    return edit


def not_an_authority() -> Json:
    made = Story()
    made.authority = Signer("authority", "enterprise")
    made.register()
    made.hop(made.plant, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def key_under_another_pointer() -> Json:
    """The digest in `items` is one of a member that is no key."""
    made = Story().register()
    told = made.log.disclose("/readPoint", ITEM)
    items = [b64u(sha256(told.encode()))]
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]}, payload_twist={"items": items})
    package = made.package()
    package["entries"][-1]["disclosures"] = [told]
    return package


def key_told_twice() -> Json:
    made = Story().register()
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [MATE]}, subject=MATE)
    package = made.package()
    package["itemKeys"][MATE] = package["itemKeys"][ITEM]
    return package


def short_log_key() -> str:
    raw = b"\x01" + bytes(31)
    key_hash = sha256(ORIGIN.encode() + b"\n" + raw)[:4]
    return f"{ORIGIN}+{key_hash.hex()}+{b64(raw)}"


def wide_algorithm() -> Json:
    made = Story().register()
    told = {"alg": 256, "public": b64u(bytes(32)), "issuer": "a" * 32, "role": "device"}
    made.keys.append(made.log.register(made.authority, Signer("x", "device"), payload_twist={"key": told}))
    made.hop(made.scanner, {"bizStep": "commissioning", "epcList": [ITEM]})
    return made.package()


def rarer() -> dict[str, Case]:
    """What nobody would try first."""
    own_triple = b64u(b'["AQEBAQEBAQEBAQEBAQEBAQ","/ilmd"]')

    def bad(package: Json, failing: str, says: str) -> Case:
        return Case(package, "invalid", failing, says)

    return {
        "checkpoint with a second blank line": bad(
            edited(signed_lines), "checkpoint", "checkpoint: 5 signed lines, expected origin, size and root"
        ),
        "received before any log was": bad(
            rewritten(leaf_edited("rcv 1", "rcv 0")),
            "format",
            "leaf 5: line 'rcv 0795489445683': expected 'rcv' and its fields",
        ),
        "received a day before the leaf in front": bad(
            rewritten(leaf_edited("rcv 17954", "rcv 17953")),
            "inclusion",
            "leaf 5: received at 1795389445683, earlier than leaf 4",
        ),
        "a part of two that is none": bad(
            rewritten(leaf_edited(" 1/1", " 1/2")), "envelope", "leaf 5: part 1/2: expected 1 to 1 of 1"
        ),
        "leaf 0 registers no authority": bad(
            not_an_authority(), "signature", "leaf 0: expected the authority's key, registered by itself"
        ),
        "a key under the pointer of something else": bad(
            key_under_another_pointer(),
            "disclosure",
            "leaf 5: disclosure of '/readPoint' stands in items: expected the pointer of a key",
        ),
        "two things with one item key": bad(
            key_told_twice(), "disclosure subject chain", f"leaf 6: the item line of {MATE} has another item key"
        ),
        "log key of 31 bytes": Case(
            HONEST.package(),
            "unchecked",
            "checkpoint",
            "could not check: the key that was given is none: log key of trac…",
            log_key=short_log_key(),
        ),
        "algorithm of two bytes": bad(wide_algorithm(), "format", "leaf 5: payload: key: alg 256: expected one byte"),
        "disclosure that is no triple": bad(
            edited(lambda p: p["entries"][6]["disclosures"].append(own_triple)),
            "format",
            "leaf 6: disclosure 3: expected [salt, pointer, value]",
        ),
        "digests that are no list": bad(
            story(payload_twist={"_sd": {}}), "format", "leaf 5: payload: _sd: expected a list of digests"
        ),
    }


CASES = cases() | rarer()


def flips() -> dict[str, Case]:
    """Every string of the honest package with one character changed, at its ends, in the middle and at two places."""
    found: dict[str, Case] = {}

    def walk(value: Any, where: tuple[Any, ...]) -> None:
        if isinstance(value, dict | list):
            for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
                walk(inner, (*where, name))
        elif isinstance(value, str):
            picks = [int.from_bytes(sha256(f"{where}{n}".encode())[:4], "big") % len(value) for n in range(2)]
            for at in sorted({0, len(value) // 2, len(value) - 1, *picks}):
                char = "B" if value[at] != "B" else "C"
                package = copy.deepcopy(HONEST.package())
                holder = package
                for name in where[:-1]:
                    holder = holder[name]
                holder[where[-1]] = value[:at] + char + value[at + 1 :]
                found[f"{'/'.join(map(str, where))}[{at}]"] = Case(package, "invalid")

    walk(HONEST.package(), ())
    return found


def oddities() -> dict[str, Case]:
    """Every node of the honest package replaced by something else."""
    found: dict[str, Case] = {}
    odd: tuple[Any, ...] = (None, True, -1, 1.5, 2**53, "", "é", "\ud800", [], {}, [[]])

    def walk(value: Any, where: tuple[Any, ...]) -> None:
        for n, other in enumerate(odd):
            # Nobody must disclose anything of a registration.
            if not where or (where[-1] == "disclosures" and other == []):
                continue
            package = copy.deepcopy(HONEST.package())
            holder = package
            for name in where[:-1]:
                holder = holder[name]
            holder[where[-1]] = other
            found[f"{'/'.join(map(str, where))} = {n}"] = Case(package, "invalid")
        if isinstance(value, dict | list):
            # One entry of each kind is enough.
            keys = list(value) if isinstance(value, dict) else [n for n in range(len(value)) if n in (0, 6)]
            for name in keys:
                walk(value[name], (*where, name))

    walk(HONEST.package(), ())
    return found


FLIPS = flips()
ODDITIES = oddities()


# ---- Python -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_python_says_which_check_does_not_hold_and_why(name: str) -> None:
    case = CASES[name]
    report = check_python(case)
    failing = [check for check in report.checks if not check.ok]
    assert (str(report.outcome), " ".join(check.name for check in failing)) == (case.outcome, case.failing)
    if case.says.endswith("…"):
        assert failing[0].detail.startswith(case.says[:-1])
    elif case.says:
        assert failing[0].detail == case.says


def test_report_of_the_honest_story() -> None:
    assert check_python(CASES["the honest story"]) == Report(
        outcome=Outcome.VALID,
        checks=(
            Check("checkpoint", True, "11 leaves, signed by the log key of trace.example/linhe"),
            Check("inclusion", True, "10 leaves are under the checkpoint"),
            Check("envelope", True, "10 leaves repeat their envelopes"),
            Check("signature", True, "10 envelopes are signed by keys that the authority of this log registered"),
            Check("disclosure", True, "17 disclosures are what was signed"),
            Check("subject", True, "5 steps are about what they say"),
            Check("chain", True, "hops 1 to 4 of the thing follow each other without a gap"),
        ),
        steps=5,
        attested=1,
        log_key=HONEST.log.log_key,
        origin=ORIGIN,
        size=11,
        uri=ITEM,
    )


def test_one_changed_character_anywhere_is_found() -> None:
    missed = {name: str(check_python(case).outcome) for name, case in FLIPS.items()}
    assert {name for name, outcome in missed.items() if outcome != "invalid"} == set()
    assert len(missed) > 500


def test_something_else_in_any_place_is_refused() -> None:
    missed = {name: str(check_python(case).outcome) for name, case in ODDITIES.items()}
    assert {name for name, outcome in missed.items() if outcome != "invalid"} == set()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "package: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", "package: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"[]", "format 'None': expected 'suyuan-proof/v1'"),
        (b"null", "format 'None': expected 'suyuan-proof/v1'"),
        (b'{"format":"suyuan-proof/v1","format":"suyuan-proof/v1"}', "package: a member stands twice in one object"),
        (b'{"format":NaN}', "package: NaN is not JSON"),
        (b'{"format":"suyuan-proof/v1","origin":"\\ud800"}', "package: a lone surrogate is not a character"),
        (b"[" * 17 + b"]" * 17, "package: nested deeper than 16 levels"),
        (b"[" * 1_000_000, "package: nested deeper than 16 levels"),
        (b'{"a":' * 1_000_000, "package: nested deeper than 16 levels"),
        (b"9" * 5000, "package: integer 99999999999999999999 is beyond 2^53"),
        (b" " * (16 * 2**20 + 1), "package: 16777217 bytes, at most 16777216 are read"),
    ],
    ids=range(12),
)
def test_what_is_no_package_is_refused_with_a_reason(data: bytes, says: str) -> None:
    assert verify_package(data) == Report(Outcome.INVALID, (Check("format", False, says),))


# ---- the twin, in node and in a browser -------------------------------------------------------

# Runs in both. The known and the answer are spelled as app/static/verify.js does.
HARNESS_JS = """
async (module, cases) => {
    const answers = [];
    for (const { pkg, known } of cases) {
        const { outcome, checks, ...rest } = await module.verifyPackage(pkg, known);
        answers.push({ outcome, checks: checks.map(({ id, ok }) => [id, ok]), ...rest });
    }
    return answers;
}
"""
PRIMITIVES_JS = """
async (module, { signatures, paths, notes }) => {
    const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const answers = [];
    for (const [name, key, message, signature] of signatures) {
        answers.push(await module[name](bytes(key), bytes(message), bytes(signature)));
    }
    for (const [hash, index, size, path, root] of paths) {
        answers.push(await module.included(bytes(hash), index, size, path.map(bytes), bytes(root)));
    }
    for (const [note, key] of notes) answers.push(await module.openNote(note, key).then(() => true, () => false));
    return answers;
}
"""


def for_javascript(case: Case) -> Json:
    known = {"logKey": case.log_key, "path": case.uri and case.uri[case.uri.index("/", 8) :]}
    return {"pkg": case.package, "known": {name: value for name, value in known.items() if value is not None}}


class Node:
    """verify.js in Node.js. Each call is a process of its own."""

    def run(self, function: str, argument: Any, before: str = "") -> Any:
        script = (
            'import { readFileSync } from "node:fs";\n'
            f"const source = readFileSync({json.dumps(str(VERIFY_JS))});\n"
            f"{before}\n"
            'const module = await import("data:text/javascript;base64," + source.toString("base64"));\n'
            f"const answer = await ({function})(module, JSON.parse(readFileSync(0)));\n"
            "process.stdout.write(JSON.stringify(answer));\n"
        )
        done = subprocess.run(
            ["node", "--input-type=module", "-e", script],
            input=json.dumps(argument),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Browser:
    """verify.js in Debian's Chromium, on a page from this machine: a secure context."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url

    def run(self, function: str, argument: Any) -> Any:
        self.page.goto(self.url)
        # As text, so that the page parses it as it parses what it fetches.
        return self.page.evaluate(
            f'async (text) => ({function})(await import("./verify.js"), JSON.parse(text))', json.dumps(argument)
        )


class OnePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        script = self.path == "/verify.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.end_headers()
        self.wfile.write(VERIFY_JS.read_bytes() if script else b"<!doctype html><title>verify</title>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is http.server's)
        pass


@pytest.fixture(scope="module")
def node() -> Node:
    if shutil.which("node") is None:
        missing("node")
    return Node()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        missing("chromium")
    from playwright.sync_api import sync_playwright  # a test tool, absent where only node is at hand

    server = ThreadingHTTPServer(("127.0.0.1", 0), OnePage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CHROMIUM_ARGS)
        yield Browser(chromium.new_page(), f"http://127.0.0.1:{server.server_port}/")
        chromium.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["node", "browser"])
def javascript(request: pytest.FixtureRequest) -> Node | Browser:
    runtime: Node | Browser = request.getfixturevalue(request.param)
    return runtime


def disagreements(runtime: Node | Browser, cases: dict[str, Case]) -> dict[str, Any]:
    answers = runtime.run(HARNESS_JS, [for_javascript(case) for case in cases.values()])
    pairs = zip(cases.items(), answers, strict=True)
    return {name: answer for (name, case), answer in pairs if answer != told(check_python(case))}


def test_javascript_gives_the_same_answers_as_python(javascript: Node | Browser) -> None:
    assert disagreements(javascript, CASES) == {}


def test_javascript_finds_a_changed_character_too(javascript: Node | Browser) -> None:
    # Each fifth, so that the place in the string varies from one string to the next.
    assert disagreements(javascript, dict(list(FLIPS.items())[::5])) == {}


def test_javascript_refuses_something_else_in_any_place_too(node: Node) -> None:
    assert disagreements(node, ODDITIES) == {}


def test_javascript_refuses_what_is_no_package(node: Node) -> None:
    nothing: list[Any] = [None, 1, "suyuan-proof/v1", [], {}, {"format": None}]
    answers = node.run(HARNESS_JS, [{"pkg": pkg, "known": {}} for pkg in nothing])
    assert {answer["outcome"] for answer in answers} == {"invalid"}


def test_javascript_knows_the_origin_that_the_page_names(node: Node) -> None:
    package = HONEST.package()
    known = [{"origin": ORIGIN}, {"origin": "trace.example"}]
    answers = node.run(HARNESS_JS, [{"pkg": package, "known": each} for each in known])
    assert [answer["outcome"] for answer in answers] == ["valid", "invalid"]


UNABLE = {"outcome": "unchecked", "checks": [["format", False]], "steps": 0, "attested": 0, "size": 0, "origin": ""}


@pytest.mark.parametrize(
    "before",
    [
        "globalThis.isSecureContext = false;",
        'Object.defineProperty(globalThis, "crypto", { value: undefined });',
        # As browsers before Ed25519 answer.
        'crypto.subtle.importKey = async () => { throw new DOMException("no", "NotSupportedError"); };',
        'crypto.subtle.verify = async () => { throw new DOMException("no", "NotSupportedError"); };',
        # A browser that says no to everything must not be believed either.
        "crypto.subtle.verify = async () => false;",
    ],
    ids=["insecure", "no crypto", "no import", "no verify", "always false"],
)
def test_javascript_without_cryptography_says_that_it_could_not_check(node: Node, before: str) -> None:
    forged = CASES["signed by another key"]
    cases = [for_javascript(case) for case in (CASES["the honest story"], forged)]
    assert node.run(HARNESS_JS, cases, before) == [UNABLE, UNABLE]


def test_javascript_on_an_insecure_page_says_that_it_could_not_check(browser: Browser) -> None:
    """A page over plain HTTP from another host, answered by the browser's own interception: no network."""
    host = "http://insecure.example/"
    browser.page.route(host + "*", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>"))
    browser.page.route(
        host + "verify.js",
        lambda route: route.fulfill(status=200, content_type="text/javascript", body=VERIFY_JS.read_text("utf-8")),
    )
    page = Browser(browser.page, host)
    assert page.run(HARNESS_JS, [for_javascript(CASES["the honest story"])]) == [UNABLE]
    assert browser.page.evaluate("isSecureContext") is False


# ---- published vectors, against the primitives of both ----------------------------------------

Vector = tuple[list[Any], bool]
"""Arguments as hex, and whether it must be accepted."""


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def signature_vectors(ledger: Path) -> Iterator[Vector]:
    for group in read(ledger / "ed25519" / "wycheproof_ed25519_test.json")["testGroups"]:
        for test in group["tests"]:
            yield ["ed25519", group["publicKey"]["pk"], test["msg"], test["sig"]], test["result"] == "valid"
    # Taming the many EdDSAs (2020): the open part holds only signatures that a strict verifier refuses.
    for case in read(ledger / "ed25519" / "speccheck_cases.json"):
        yield ["ed25519", case["pub_key"], case["message"], case["signature"]], False
    for group in read(ledger / "ecdsa" / "wycheproof_ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        for test in group["tests"]:
            yield ["p256", group["publicKey"]["uncompressed"], test["msg"], test["sig"]], test["result"] == "valid"
    dsse = read(ledger / "dsse" / "dsse_vectors.json")
    key = "04" + "".join(int(dsse[axis]).to_bytes(32, "big").hex() for axis in "xy")
    signature = base64.b64decode(dsse["sig_b64"]).hex()
    signed = pae(dsse["payloadType"], dsse["payload_utf8"].encode())
    assert signed == dsse["pae"].encode()
    yield ["p256", key, signed.hex(), signature], True


def path_vectors(ledger: Path) -> Iterator[Vector]:
    for path in sorted((ledger / "merkle" / "inclusion").rglob("*.json")):
        case = read(path)
        leaf, root, *proof = (
            base64.b64decode(each or "").hex() for each in (case["leafHash"], case["root"], *(case["proof"] or []))
        )
        yield [leaf, case["leafIdx"], case["treeSize"], proof, root], not case["wantErr"]


def note_vectors(ledger: Path) -> Iterator[Vector]:
    vectors = read(ledger / "note" / "go_signed_note.json")
    for case in vectors["open"]:
        # A byte that is no UTF-8 cannot reach us: the note is a member of a JSON text. U+0001 stands for it.
        note = bytes.fromhex(case["msg_hex"]).decode("utf-8", "replace").replace("\ufffd", "\x01")
        for key in case["vkeys"]:
            yield [note, key], case["ok"]
    good = vectors["sign"]["want"]
    for key in vectors["bad_vkeys"]:
        yield [good, key], False
    peter = vectors["open"][0]["vkeys"][0]
    yield [good, peter], True
    for n in range(len(peter)):
        yield [good, peter[:n]], False
        yield [good, peter[n + 1 :]], False
        yield [good, peter[:n] + chr(ord(peter[n]) + 1) + peter[n + 1 :]], False


def opens(note: str, key: str) -> bool:
    try:
        open_note(note, key)
    except TraceError:
        return False
    return True


def test_python_primitives_agree_with_the_published_vectors(shared_data: Path) -> None:
    ledger = shared_data / "ledger"
    verify_ = {"ed25519": ed25519, "p256": p256}
    for (name, *arguments), good in signature_vectors(ledger):
        assert verify_[name](*(bytes.fromhex(each) for each in arguments)) is good, arguments
    for (leaf, index, size, path, root), good in path_vectors(ledger):
        nodes = [bytes.fromhex(each) for each in path]
        assert included(bytes.fromhex(leaf), index, size, nodes, bytes.fromhex(root)) is good, (leaf, path)
    for (note, key), good in note_vectors(ledger):
        assert opens(note, key) is good, (note, key)


def test_javascript_primitives_agree_with_the_published_vectors(javascript: Node | Browser, shared_data: Path) -> None:
    ledger = shared_data / "ledger"
    signatures, paths, notes = (list(vectors(ledger)) for vectors in (signature_vectors, path_vectors, note_vectors))
    argument = {
        "signatures": [arguments for arguments, _ in signatures],
        "paths": [arguments for arguments, _ in paths],
        "notes": [arguments for arguments, _ in notes],
    }
    answers = javascript.run(PRIMITIVES_JS, argument)
    everything = [*signatures, *paths, *notes]
    assert [v for v, answer in zip(everything, answers, strict=True) if v[1] is not answer] == []


POINTS = {
    # The eight points of small order, as every list of them has it.
    "0100000000000000000000000000000000000000000000000000000000000000": False,
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": False,
    "0000000000000000000000000000000000000000000000000000000000000000": False,
    "0000000000000000000000000000000000000000000000000000000000000080": False,
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": False,
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa": False,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": False,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85": False,
    # Second spellings: y is the field's prime or more.
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": False,
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": False,
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": False,
    "58666666666666666666666666666666666666666666666666666666666666": False,
    # The base point.
    "5866666666666666666666666666666666666666666666666666666666666666": True,
}


def test_points_of_small_order_and_second_spellings_are_refused(javascript: Node | Browser) -> None:
    """Asked directly: libsodium and some browsers would refuse most of them by themselves, and hide a slip of ours."""
    assert {point: strict_point(bytes.fromhex(point)) for point in POINTS} == POINTS
    function = """async (module, points) => points.map((point) => module.strictPoint(
        Uint8Array.from(point.match(/../g), (pair) => parseInt(pair, 16))))"""
    assert javascript.run(function, list(POINTS)) == list(POINTS.values())


# ---- the command ------------------------------------------------------------------------------


def run(tmp_path: Path, case: Case, *arguments: str) -> Result:
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(case.package), encoding="utf-8")
    return CliRunner().invoke(verify, [str(file), *arguments])


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("the honest story", 0, "VALID. All that can be checked holds."),
        ("dropped middle hop", 1, "INVALID. This proof contradicts itself or what you expected."),
        ("newer format", 2, "COULD NOT CHECK. This says nothing about whether the proof is true."),
    ],
)
def test_command_tells_its_answer_by_its_first_line_and_exit_status(
    tmp_path: Path, name: str, code: int, line: str
) -> None:
    result = run(tmp_path, CASES[name])
    assert (result.exit_code, result.output.splitlines()[0]) == (code, line)


def test_command_says_when_the_key_came_from_the_file_and_what_is_not_proven(tmp_path: Path) -> None:
    key = HONEST.log.log_key
    own = run(tmp_path, CASES["the honest story"]).output
    assert "The log key was taken from the file itself: compare it with the one the platform publishes" in own
    assert key in own
    brought = run(tmp_path, CASES["the honest story"], "--log-key", key, "--uri", ITEM)
    assert brought.exit_code == 0
    assert "taken from the file" not in brought.output
    assert "that the pack holds what its code says" in brought.output


def test_command_answers_in_chinese(tmp_path: Path) -> None:
    result = run(tmp_path, CASES["dropped middle hop"], "--lang", "zh")
    assert "[NO] 该物自身的环节前后相接，没有缺漏。\n     leaf 8: hop 3 of the thing, expected hop 2" in result.output


def test_command_gives_the_report_as_json(tmp_path: Path) -> None:
    result = run(tmp_path, CASES["newer format"], "--json")
    assert json.loads(result.output) == {
        "outcome": "unchecked",
        "checks": [
            {
                "name": "format",
                "ok": False,
                "detail": "could not check: format 'suyuan-proof/v2': expected 'suyuan-proof/v1'; "
                "a newer program reads it",
            }
        ],
        "steps": 0,
        "attested": 0,
        "log_key": "",
        "origin": "",
        "size": 0,
        "uri": "",
    }


def test_command_keeps_control_characters_of_the_file_off_the_terminal(tmp_path: Path) -> None:
    result = run(tmp_path, Case(edited(lambda p: p.update(format="\x1b[2J")), "invalid"))
    assert "\x1b" not in result.output


def test_command_says_when_there_is_no_such_file() -> None:
    result = CliRunner().invoke(verify, ["no-such-file"])
    assert result.exit_code == 2
    assert "No such file or directory" in result.output
