"""Verification by policy: which witnesses must have cosigned. Python, JavaScript and the command give one answer."""

import copy
import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from nacl.signing import SigningKey

from app.commands.verify import verify
from tests.conftest import ROOT
from tests.forge import ORIGIN, Json, Story, b64, sha256
from tests.test_verify import HARNESS_JS, Node, node, told  # noqa: F401  (node is a fixture)
from trace.errors import ParseError
from trace.ledger.policy import Policy
from trace.ledger.verify import Outcome, verify_package
from trace.ledger.verify_policy import read_policy

HONEST = Story().register().travel()
LOG_KEY = HONEST.log.log_key
TIME_S = 1_795_489_500


def vkey(name: str, kind: int, raw: bytes) -> str:
    key = bytes([kind]) + raw
    return f"{name}+{sha256(name.encode() + chr(10).encode() + key)[:4].hex()}+{b64(key)}"


@dataclasses.dataclass(frozen=True)
class Witness:
    """Cosigns as the specification says, unless it is twisted."""

    name: str

    @property
    def key(self) -> SigningKey:
        return SigningKey(sha256(b"witness " + self.name.encode()))

    @property
    def vkey(self) -> str:
        return vkey(self.name, 4, bytes(self.key.verify_key))

    def line(self, note: str, time_s: int = TIME_S, twist: Callable[[str], str] = str) -> str:
        text = note[: note.rindex("\n\n") + 1]
        signature = self.key.sign(twist(f"cosignature/v1\ntime {time_s}\n{text}").encode()).signature
        return self.raw_line(time_s.to_bytes(8, "big") + signature)

    def raw_line(self, data: bytes) -> str:
        return f"\u2014 {self.name} {b64(bytes.fromhex(self.vkey.split('+', 2)[1]) + data)}\n"


CITY, COUNTY, ASSOC = Witness("w.city.example/1"), Witness("见证.县.example"), Witness("w.assoc.example")
STRANGER = Witness("stranger.example")
QUANTUM = vkey("q.example", 6, bytes(1312))
QUANTUM_LINE = f"\u2014 q.example {b64(bytes.fromhex(QUANTUM.split('+')[1]) + bytes(8 + 2420))}\n"


def policy(quorum: str = "gov", logs: tuple[str, ...] = (LOG_KEY,), threshold: str = "2") -> str:
    lines = [f"log {log}" for log in logs]
    lines += [
        f"witness city {CITY.vkey}",
        f"witness county {COUNTY.vkey} https://w.example/",
        f"witness a {ASSOC.vkey}",
    ]
    lines += [f"witness q {QUANTUM}", f"group gov {threshold} city county a q", f"quorum {quorum}"]
    return "\n".join(lines) + "\n"


def cosigned(*lines: str) -> Json:
    package = copy.deepcopy(HONEST.package())
    package["checkpoint"] += "".join(lines)
    return package


def by(*witnesses: Witness) -> Json:
    note = HONEST.log.checkpoint()
    return cosigned(*(each.line(note) for each in witnesses))


NOTE = HONEST.log.checkpoint()
SIGNED = f"{len(HONEST.log.leaves)} leaves, signed by the log key of {ORIGIN}"

Case = tuple[Json, str, str, str]
CASES: dict[str, Case] = {
    "two of three": (by(CITY, COUNTY), policy(), "valid", f"{SIGNED}, cosigned by city, county"),
    "all": (by(CITY, COUNTY, ASSOC), policy(), "valid", f"{SIGNED}, cosigned by a, city, county"),
    "and a stranger": (by(STRANGER, ASSOC, CITY), policy(), "valid", f"{SIGNED}, cosigned by a, city"),
    "one": (by(CITY), policy(), "invalid", "cosigned by city: expected the quorum gov"),
    "one twice": (
        cosigned(CITY.line(NOTE), CITY.line(NOTE, TIME_S + 1)),
        policy(),
        "invalid",
        "cosigned by city: expected the quorum gov",
    ),
    "nobody": (by(), policy(), "invalid", "cosigned by nobody: expected the quorum gov"),
    "strangers only": (by(STRANGER), policy(), "invalid", "cosigned by nobody: expected the quorum gov"),
    "one witness is the quorum": (by(COUNTY), policy("county"), "valid", f"{SIGNED}, cosigned by county"),
    "no quorum asked": (by(), policy("none"), "valid", f"{SIGNED}, cosigned by nobody"),
    "no log listed": (by(CITY, ASSOC), policy(logs=()), "valid", f"{SIGNED}, cosigned by a, city"),
    "another log": (
        by(CITY, ASSOC),
        policy(logs=(vkey("b.example", 1, bytes(CITY.key.verify_key)),)),
        "invalid",
        f"log key {LOG_KEY!r}: not among the logs of the policy",
    ),
    "cosignature of another checkpoint": (
        cosigned(CITY.line(NOTE), COUNTY.line(NOTE, twist=lambda text: text.replace(f"\n{ORIGIN}\n", "\nb.example\n"))),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "time changed": (
        cosigned(CITY.line(NOTE), COUNTY.line(NOTE, twist=lambda text: text.replace(str(TIME_S), str(TIME_S + 1)))),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "signature of the note instead": (
        cosigned(CITY.line(NOTE), COUNTY.line(NOTE, twist=lambda text: text.split("\n", 2)[2])),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "cut": (
        cosigned(CITY.line(NOTE), COUNTY.raw_line(bytes(71))),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "longer": (
        cosigned(CITY.line(NOTE), COUNTY.raw_line(bytes(73))),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "a time beyond 2^63": (
        cosigned(CITY.line(NOTE), COUNTY.line(NOTE, 2**63)),
        policy(),
        "invalid",
        f"the cosignature of {COUNTY.name} is not one over this checkpoint",
    ),
    "the last second": (
        cosigned(CITY.line(NOTE), COUNTY.line(NOTE, 2**63 - 1)),
        policy(),
        "valid",
        f"{SIGNED}, cosigned by city, county",
    ),
    "post-quantum, and it hangs on it": (
        cosigned(CITY.line(NOTE), QUANTUM_LINE),
        policy(),
        "unchecked",
        "could not check: cosigned by city; lines of q cannot be read here",
    ),
    "post-quantum, and enough without": (
        cosigned(CITY.line(NOTE), ASSOC.line(NOTE), QUANTUM_LINE),
        policy(),
        "valid",
        f"{SIGNED}, cosigned by a, city",
    ),
    "post-quantum, and not enough with it": (
        cosigned(CITY.line(NOTE), QUANTUM_LINE),
        policy(threshold="3"),
        "invalid",
        "cosigned by city: expected the quorum gov",
    ),
    "a policy that is none": (
        by(CITY),
        "quorum nobody\n",
        "unchecked",
        "could not check: the policy that was given is none: line 1: 'nobody' is not defined on an earlier line",
    ),
}


def check(case: Case) -> Any:
    package, text, _, _ = case
    return verify_package(json.dumps(package).encode(), policy=text.encode())


@pytest.mark.parametrize("name", CASES)
def test_the_quorum_is_demanded(name: str) -> None:
    _, _, outcome, detail = CASES[name]
    report = check(CASES[name])
    assert (str(report.outcome), report.checks[0].name, report.checks[0].detail) == (outcome, "checkpoint", detail)
    assert all(each.ok for each in report.checks[1:])


def test_without_a_policy_cosignatures_are_passed_over() -> None:
    report = verify_package(json.dumps(by(CITY, COUNTY)).encode())
    assert (report.outcome, report.checks[0].detail) == (Outcome.VALID, SIGNED)


def test_every_combination_of_groups_counts_as_the_specification_says() -> None:
    """tlog-policy's example: two of the Xs and one of the Ys."""
    xs, ys = [Witness(f"x{n}") for n in range(3)], [Witness(f"y{n}") for n in range(3)]
    lines = [f"witness {each.name} {each.vkey}" for each in (*xs, *ys)]
    lines += ["group X 2 x0 x1 x2", "group Y any y0 y1 y2", "group all all X Y", "quorum all"]
    for count in range(7):
        for chosen in itertools.combinations((*xs, *ys), count):
            report = check((by(*chosen), "\n".join(lines), "", ""))
            enough = len(set(chosen) & set(xs)) >= 2 and bool(set(chosen) & set(ys))
            assert report.outcome == (Outcome.VALID if enough else Outcome.INVALID)


def test_javascript_gives_the_same_answers_as_python(node: Node) -> None:  # noqa: F811
    cases = [{"pkg": package, "known": {"policy": text}} for package, text, _, _ in CASES.values()]
    answers = node.run(HARNESS_JS, cases)
    pairs = zip(CASES, answers, strict=True)
    assert {name: answer for name, answer in pairs if answer != told(check(CASES[name]))} == {}


def test_javascript_names_the_cosigners(node: Node) -> None:  # noqa: F811
    function = """async (module, { pkg, known }) => (await module.verifyPackage(pkg, known)).checks[0].detail"""
    said = node.run(function, {"pkg": by(CITY, COUNTY), "known": {"policy": policy()}})
    assert said == f"{SIGNED}, cosigned by city, county"


# ---- the policy file ----------------------------------------------------------------------------


W = f"witness a {CITY.vkey}\nwitness b {COUNTY.vkey}\n"
NEUTRAL = vkey("n.example", 4, b"\x01" + bytes(31))
POLICIES: dict[str, bool] = {
    policy(): True,
    policy().replace(" ", "\t"): True,
    f"  # comment\n\n \t\n{policy()}#": True,
    policy().rstrip("\n"): True,
    "quorum none": True,
    f"{W}group none any a\nquorum none": False,
    f"{W}witness c {CITY.vkey}\nquorum a": False,
    f"{W}witness a {ASSOC.vkey}\nquorum a": False,
    f"{W}group a any b\nquorum a": False,
    f"{W}group g any\nquorum a": False,
    f"{W}group g any a a\nquorum a": False,
    f"{W}group g any a\ngroup h any a b\nquorum a": False,
    f"{W}group g 3 a b\nquorum a": False,
    f"{W}group g 0 a b\nquorum a": False,
    f"{W}group g 01 a b\nquorum a": False,
    f"{W}group g 0x1 a b\nquorum a": False,
    f"{W}group g some a b\nquorum a": False,
    f"{W}group g any c\nquorum a": False,
    f"{W}group g any g\nquorum a": False,
    f"{W}group g 2 a b\nquorum g": True,
    f"quorum a\n{W}": False,
    f"{W}quorum a\nquorum a": False,
    f"{W}quorum a b": False,
    f"{W}quorum": False,
    W: False,
    "": False,
    f"{W}Quorum a": False,
    f"{W}quorum a\r\n": False,
    f"{W}quorum a # no comment": False,
    f"log {CITY.vkey}\nquorum none": False,
    f"log {LOG_KEY}\nlog {LOG_KEY}\nquorum none": False,
    f"log {LOG_KEY} u v\nquorum none": False,
    "log\nquorum none": False,
    f"log {vkey('l.example', 255, b'any key')}\nquorum none": True,
    f"log {vkey('l.example', 2, bytes(33))}\nquorum none": False,
    f"log {QUANTUM}\nquorum none": True,
    f"witness w {LOG_KEY}\nquorum w": False,
    f"witness w {NEUTRAL}\nquorum w": False,
    f"witness w {CITY.vkey[:-4]}\nquorum w": False,
    f"witness w {CITY.vkey.replace('+', '+0', 1)}\nquorum w": False,
    f"witness w {vkey('q.example', 6, bytes(32))}\nquorum w": False,
    f"witness w {CITY.vkey} u v\nquorum w": False,
    f"witness \u212a {CITY.vkey}\nwitness K {COUNTY.vkey}\nquorum K": True,
    "none\nquorum none": False,
}


@pytest.mark.parametrize("text", POLICIES, ids=range(len(POLICIES)))
def test_the_verifier_and_the_platform_take_the_same_policies(text: str) -> None:
    """Two readers that share no line."""
    for read in (read_policy, Policy.parse):
        try:
            read(text.encode())
        except ParseError:
            assert not POLICIES[text]
        else:
            assert POLICIES[text]


def test_javascript_takes_the_same_policies(node: Node) -> None:  # noqa: F811
    answers = node.run(HARNESS_JS, [{"pkg": by(CITY), "known": {"policy": text}} for text in POLICIES])
    # A policy that is none is "could not check"; with one, the checkpoint is called true or false.
    read = [dict(answer["checks"])["checkpoint"] or answer["outcome"] == "invalid" for answer in answers]
    assert [text for text, told in zip(POLICIES, read, strict=True) if told != POLICIES[text]] == []


def test_what_the_platform_shows_of_its_policy_is_a_policy() -> None:
    shown = Policy.parse(policy().encode()).to_text()
    assert Policy.parse(shown.encode()).to_text() == shown
    assert "https" not in shown
    assert read_policy(shown.encode()) == read_policy(policy().encode())


def test_a_policy_of_any_octets_is_read_or_refused_by_both_alike() -> None:
    octets = W.encode() + b"witness \xff " + ASSOC.vkey.encode() + b"\ngroup g all a \xff\nquorum g\n"
    assert len(read_policy(octets).witnesses) == len(Policy.parse(octets).witnesses) == 3
    with pytest.raises(ParseError):
        read_policy(b"witness w \xff" + CITY.vkey.encode() + b"\nquorum w")
    with pytest.raises(ParseError):
        read_policy(b"#" * 1_000_001)


# ---- the command --------------------------------------------------------------------------------


def run(tmp_path: Path, case: Case, *arguments: str) -> Result:
    proof, rules = tmp_path / "proof.json", tmp_path / "policy"
    proof.write_text(json.dumps(case[0]), encoding="utf-8")
    rules.write_text(case[1], encoding="utf-8")
    return CliRunner().invoke(verify, [str(proof), "--policy", str(rules), *arguments])


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        (
            "two of three",
            0,
            "[ok] The log signed its checkpoint, and the witnesses that the policy demands cosigned it.",
        ),
        ("one", 1, "[NO] The log signed its checkpoint, and the witnesses that the policy demands cosigned it."),
        ("a policy that is none", 2, "[??] The log signed its checkpoint, and the witnesses that the policy demands"),
    ],
)
def test_the_command_demands_the_quorum(tmp_path: Path, name: str, code: int, line: str) -> None:
    result = run(tmp_path, CASES[name])
    assert result.exit_code == code
    lines = result.output.splitlines()
    assert lines[2].startswith(line)
    assert lines[3] == f"     {CASES[name][3]}"
    # The key is one that the policy lists, and the policy answers who else sees this log.
    assert ("taken from the file" in result.output) == (name == "a policy that is none")
    assert "everybody is shown this same log" not in result.output


def test_the_command_says_what_a_proof_without_a_policy_leaves_open(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps(by(CITY)), encoding="utf-8")
    result = CliRunner().invoke(verify, [str(proof)])
    assert result.exit_code == 0
    assert "that everybody is shown this same log (demand witnesses with --policy);\n" in result.output
    assert result.output.rstrip().endswith("that no later hop is kept back.")
    assert CliRunner().invoke(verify, [str(proof), "--policy", "no-such-file"]).exit_code == 2


def test_the_command_needs_the_key_when_the_policy_lists_no_log(tmp_path: Path) -> None:
    assert "taken from the file" in run(tmp_path, CASES["no log listed"]).output
    assert "taken from the file" not in run(tmp_path, CASES["no log listed"], "--log-key", LOG_KEY).output


def test_the_verifier_shares_no_line_with_the_platform() -> None:
    source = (ROOT / "trace" / "ledger" / "verify_policy.py").read_text()
    assert {line for line in source.splitlines() if line.startswith("from trace")} == {
        "from trace.errors import ParseError, SignatureError, UncheckedError, ValidationError",
        "from trace.ledger.verify_primitives import NOTE_LINE, ed25519, from_b64, sha256, strict_point",
    }
