"""tlog-policy files: the specification's example, its rules, and an error for each that names the line."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError
from trace.ledger.encoding import b64
from trace.ledger.keys import PrivateKey
from trace.ledger.note import SignatureType, VerifierKey, cosigner_key, ed25519_key
from trace.ledger.policy import Group, Party, Policy


def log(n: int) -> VerifierKey:
    return ed25519_key(f"log{n}.example", PrivateKey(bytes([n]) * 32).public)


def witness(n: int) -> VerifierKey:
    return cosigner_key(f"w{n}.example/x", PrivateKey(bytes([100 + n]) * 32).public)


EXAMPLE = f"""\
log {log(1)}

witness X1 {witness(1)}
witness X2 {witness(2)}
witness X3 {witness(3)}
group X-witnesses 2 X1 X2 X3

witness Y1 {witness(4)}
witness Y2 {witness(5)}
witness Y3 {witness(6)}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_example_of_the_specification() -> None:
    policy = Policy.parse(EXAMPLE.encode())
    assert policy.logs == (Party(log(1), None),)
    assert policy.witnesses["X1"] == Party(witness(1), None)
    assert policy.groups == {
        "X-witnesses": Group(2, ("X1", "X2", "X3")),
        "Y-witnesses": Group(1, ("Y1", "Y2", "Y3")),
        "X-and-Y": Group(2, ("X-witnesses", "Y-witnesses")),
    }
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    for count in range(7):
        for chosen in itertools.combinations(names, count):
            xs, ys = sum(name[0] == "X" for name in chosen), sum(name[0] == "Y" for name in chosen)
            assert policy.satisfied(chosen) == (xs >= 2 and ys >= 1)
    assert not policy.satisfied(["X-and-Y", "X-witnesses"])


def test_spaces_tabs_comments_urls_and_a_missing_last_line_end() -> None:
    text = (
        f"# who we trust\n\t # more\n  \nlog\t{log(1)}  https://log.example/\n"
        f" witness w {witness(1)} https://w.example/prefix \t\nquorum \t w"
    )
    policy = Policy.parse(text.encode())
    assert policy.logs == (Party(log(1), "https://log.example"),)
    assert policy.witnesses == {"w": Party(witness(1), "https://w.example/prefix")}
    assert policy.satisfied(["w"]) and not policy.satisfied([])


def test_no_quorum_is_a_quorum_of_nobody() -> None:
    policy = Policy.parse(b"quorum none\n")
    assert (policy.logs, policy.witnesses, policy.quorum) == ((), {}, None)
    assert policy.satisfied([])


def test_names_are_octets() -> None:
    kelvin, k = "\u212a".encode(), b"K"
    text = b"witness %s %s\nwitness %s %s\nwitness \xff %s\ngroup g all %s \xff\nquorum g\n" % (
        kelvin,
        str(witness(1)).encode(),
        k,
        str(witness(2)).encode(),
        str(witness(3)).encode(),
        kelvin,
    )
    policy = Policy.parse(text)
    assert len(policy.witnesses) == 3
    assert policy.satisfied({"\u212a", "\udcff"}) and not policy.satisfied({"K", "\udcff"})


def test_as_many_as_the_specification_asks_for_and_more() -> None:
    lines = [f"log {log(n)}" for n in range(1, 41)]
    lines += [f"witness w{n} {witness(n)}" for n in range(40)]
    lines += [f"group g{n} any w{n}" for n in range(40)]
    lines += ["group all all " + " ".join(f"g{n}" for n in range(40)), "quorum all"]
    policy = Policy.parse("\n".join(lines).encode())
    names = [f"w{n}" for n in range(40)]
    assert policy.satisfied(names) and not policy.satisfied(names[1:])


def test_keys_that_cannot_be_checked_here_are_read() -> None:
    key = VerifierKey("q.example", SignatureType.ML_DSA_44, bytes(1312))
    policy = Policy.parse(f"log {key}\nwitness w {key}\nquorum w\n".encode())
    assert (policy.logs[0].key, policy.witnesses["w"].key) == (key, key)


W = f"witness a {witness(1)}\nwitness b {witness(2)}\n"
AS_OTHER_NAME = cosigner_key("else.example", PrivateKey(bytes([101]) * 32).public)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "policy: expected one line 'quorum <name>' or 'quorum none'"),
        (W, "policy: expected one line 'quorum <name>' or 'quorum none'"),
        ("quorum none\nquorum none\n", "policy, line 2: a second quorum: expected one"),
        ("quorum\n", "policy, line 1: 0 words behind 'quorum': expected quorum <name>"),
        ("quorum a b\n", "policy, line 1: 2 words behind 'quorum': expected quorum <name>"),
        (f"quorum a\n{W}", "policy, line 1: 'a': no earlier line defines a witness or group of this name"),
        ("\nwitnes a b\n", "policy, line 2: 'witnes': expected log, witness, group or quorum"),
        ("LOG a\n", "policy, line 1: 'LOG': expected log, witness, group or quorum"),
        ("log\n", "policy, line 1: 0 words behind 'log': expected log <verifier key> [<url>]"),
        (
            f"log {log(1)} u v\n",
            "policy, line 1: 3 words behind 'log': expected log <verifier key> [<url>]",
        ),
        ("log a\n", "policy, line 1: verifier key 'a': expected <name>+<key hash>+<key>"),
        (
            f"log {witness(1)}\n",
            "policy, line 1: verifier key 'w1.example/x': type 0x04: a log has 0x01 or 0x06 or 0xff",
        ),
        (
            f"witness a {log(1)}\n",
            "policy, line 1: verifier key 'log1.example': type 0x01: a witness has 0x04 or 0x06",
        ),
        (
            f"log {log(1)}\nlog {ed25519_key('b', PrivateKey(bytes([1]) * 32).public)}\n",
            "policy, line 2: log 'b': its key stands on an earlier line",
        ),
        (f"{W}witness c {AS_OTHER_NAME}\n", "policy, line 3: witness 'c': its key is that of 'a'"),
        (f"{W}witness a {witness(3)}\n", "policy, line 3: name 'a' is defined on an earlier line"),
        (f"{W}group a any b\n", "policy, line 3: name 'a' is defined on an earlier line"),
        (f"{W}group none any b\n", "policy, line 3: name 'none' stands for no quorum: expected another"),
        (f"witness none {witness(1)}\n", "policy, line 1: name 'none' stands for no quorum: expected another"),
        (f"{W}group g any\n", "policy, line 3: expected group <name> any|all|<number> <name>..."),
        (f"{W}group g some a b\n", "policy, line 3: group 'g': 'some': expected any, all or a number"),
        (f"{W}group g 0 a b\n", "policy, line 3: group 'g': '0': expected any, all or a number"),
        (f"{W}group g 02 a b\n", "policy, line 3: group 'g': '02': expected any, all or a number"),
        (f"{W}group g 3 a b\n", "policy, line 3: group 'g': 3 of 2 members can never be"),
        (f"{W}group g 1 a a\n", "policy, line 3: group 'g': 'a' is a member already, here or of another group"),
        (
            f"{W}group g any a b\ngroup h any g a\n",
            "policy, line 4: group 'h': 'a' is a member already, here or of another group",
        ),
        (f"{W}group g any none\n", "policy, line 3: 'none': no earlier line defines a witness or group of this name"),
        (f"{W}group g any g\n", "policy, line 3: 'g': no earlier line defines a witness or group of this name"),
        ("quorum none\r\n", "policy, line 1: octet 0x0d: expected no control characters but tab and LF"),
        ("# \x7f\n", "policy, line 1: octet 0x7f: expected no control characters but tab and LF"),
        ("#" * 1_000_001, "policy: 1000001 bytes, at most 1000000 are read"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        Policy.parse(text.encode())
    assert str(refused.value) == message


def test_an_error_about_octets_that_are_no_text_can_be_printed() -> None:
    with pytest.raises(ParseError) as refused:
        Policy.parse(b"\xffx\n")
    assert re.fullmatch("[ -~]+", str(refused.value))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        Policy.parse(data)
    except ParseError as error:
        assert str(error).startswith("policy")


@given(st.integers(1, 5), st.integers(1, 5), st.sets(st.integers(0, 4)))
def test_a_threshold_counts_members(members: int, needed: int, cosigned: set[int]) -> None:
    if needed > members:
        return
    lines = [f"witness w{n} {witness(n)}" for n in range(members)]
    group = f"group g {needed} " + " ".join(f"w{n}" for n in range(members))
    policy = Policy.parse("\n".join([*lines, group, "quorum g"]).encode())
    assert policy.satisfied({f"w{n}" for n in cosigned}) == (len({n for n in cosigned if n < members}) >= needed)


def test_the_type_byte_is_no_part_of_the_key_when_keys_are_compared() -> None:
    """c2sp.org/tlog-policy: the same public key under another type would be one witness twice."""
    key = PrivateKey(bytes([1]) * 32).public
    other = VerifierKey("z", SignatureType.OTHER, key.raw)
    with pytest.raises(ParseError):
        Policy.parse(f"log {ed25519_key('a', key)}\nlog {other}\nquorum none\n".encode())
    assert b64(bytes([0xFF]) + key.raw) in str(other)
