"""Whose cosignatures a verifier demands: c2sp.org/tlog-policy and c2sp.org/tlog-cosignature, read for checking.

Written from the specifications alone; the platform that collects cosignatures has a reader of its own, and the two
share no line. `app/static/verify.js` is the twin. What cannot be checked here (ML-DSA-44) never counts, and is never
called false: a quorum that may hang on it is "could not check".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trace.errors import ParseError, SignatureError, UncheckedError, ValidationError
from trace.ledger.verify_primitives import NOTE_LINE, ed25519, from_b64, sha256, strict_point

MAX_POLICY_BYTES = 1_000_000
_COSIGNATURE, _ML_DSA = 4, 6
_KEY = re.compile(r"([^\s+\x85\ufeff]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/=]+)")
_BAD_OCTET = re.compile(b"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Witness:
    """A witness's verifier key."""

    name: str
    """The name in its key, under which it signs; the policy may call it otherwise."""
    key_hash: bytes
    algorithm: int
    public: bytes


@dataclass(frozen=True)
class Rules:
    """A policy file."""

    logs: tuple[str, ...]
    """Verifier keys; empty when the log must be known otherwise."""
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    """Threshold and members."""
    quorum: str
    """Name of a witness or group, or `none`."""

    def enough(self, names: set[str]) -> bool:
        return self.quorum == "none" or self._holds(self.quorum, names)

    def _holds(self, name: str, names: set[str]) -> bool:
        if name in self.witnesses:
            return name in names
        threshold, members = self.groups[name]
        return len([member for member in members if self._holds(member, names)]) >= threshold


def read_policy(data: bytes) -> Rules:
    """Raises: ParseError naming the line."""
    if len(data) > MAX_POLICY_BYTES:
        raise ParseError(f"{len(data)} bytes, at most {MAX_POLICY_BYTES} are read")
    if _BAD_OCTET.search(data):
        raise ParseError("control characters other than tab and LF")
    logs: dict[bytes, str] = {}
    witnesses: dict[str, Witness] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    members: list[str] = []
    quorums: list[str] = []

    def known(name: str) -> str:
        if name not in witnesses and name not in groups:
            raise ParseError(f"{name[:80]!r} is not defined on an earlier line")
        return name

    def fresh(name: str) -> str:
        if name == "none" or name in witnesses or name in groups:
            raise ParseError(f"name {name[:80]!r} cannot be defined, or not again")
        return name

    for number, line in enumerate(data.split(b"\n"), 1):
        words = line.decode("utf-8", "surrogateescape").replace("\t", " ").split(" ")
        words = [word for word in words if word]
        try:
            match words:
                case []:
                    pass
                case [first, *_] if first.startswith("#"):
                    pass
                case ["log", key] | ["log", key, _]:
                    log = _parse_key(key)
                    if log.algorithm in (_COSIGNATURE,) or log.public in logs:
                        raise ParseError(f"log {log.name[:80]!r}: no key of a log, or one that stands here already")
                    logs[log.public] = key
                case ["witness", name, key] | ["witness", name, key, _]:
                    witness = _parse_key(key)
                    twice = any(witness.public == other.public for other in witnesses.values())
                    if witness.algorithm not in (_COSIGNATURE, _ML_DSA) or twice:
                        raise ParseError(f"witness {name[:80]!r}: no key of a witness, or one that stands here already")
                    witnesses[fresh(name)] = witness
                case ["group", name, threshold, _, *_]:
                    fresh(name)
                    own = tuple(known(member) for member in words[3:])
                    members += own
                    if len(set(members)) != len(members):
                        raise ParseError(f"group {name[:80]!r}: a member belongs to a group already")
                    groups[name] = (_threshold(threshold, len(own)), own)
                case ["quorum", name]:
                    quorums.append(name if name == "none" else known(name))
                case _:
                    raise ParseError(f"{line[:80]!r}: no line of a policy")
        except ParseError as error:
            raise ParseError(f"line {number}: {error}") from error
    if len(quorums) != 1:
        raise ParseError(f"{len(quorums)} quorum lines, expected one")
    return Rules(tuple(logs.values()), witnesses, groups, quorums[0])


def demand(note: str, rules: Rules) -> tuple[str, ...]:
    """The witnesses of the policy that cosigned this note, by the policy's names; they are a quorum.

    Requires: a note whose form and log signature `open_note` has checked.

    Raises: ValidationError when they are no quorum; SignatureError when a line of one of them is no cosignature of this
    checkpoint; UncheckedError when it hangs on lines of a kind that is not known here.
    """
    text, _, lines = note.rpartition("\n\n")
    cosigned, unread = set[str](), set[str]()
    for line in lines.split("\n")[:-1]:
        match = NOTE_LINE.fullmatch(line)
        blob = from_b64(match[2], "note signature") if match else b""
        for name, witness in rules.witnesses.items():
            if match is None or (match[1], blob[:4]) != (witness.name, witness.key_hash):
                continue
            if witness.algorithm != _COSIGNATURE:
                unread.add(name)
            elif _cosigned(f"{text}\n", blob[4:], witness.public):
                cosigned.add(name)
            else:
                raise SignatureError(f"the cosignature of {witness.name} is not one over this checkpoint")
    names = ", ".join(sorted(cosigned)) or "nobody"
    if rules.enough(cosigned):
        return tuple(sorted(cosigned))
    if rules.enough(cosigned | unread):
        raise UncheckedError(f"cosigned by {names}; lines of {', '.join(sorted(unread))} cannot be read here")
    raise ValidationError(f"cosigned by {names}: expected the quorum {rules.quorum}")


def _cosigned(text: str, stamped: bytes, public: bytes) -> bool:
    """Whether time and signature are a cosignature/v1 over the text."""
    time_s = int.from_bytes(stamped[:8], "big")
    if len(stamped) != 72 or time_s >= 2**63:
        return False
    return ed25519(public, f"cosignature/v1\ntime {time_s}\n{text}".encode(), stamped[8:])


def _threshold(word: str, members: int) -> int:
    if word in ("any", "all"):
        return 1 if word == "any" else members
    if not re.fullmatch("[1-9][0-9]{0,5}", word) or int(word) > members:
        raise ParseError(f"{word[:20]!r}: expected any, all or a number up to {members}")
    return int(word)


def _parse_key(text: str) -> Witness:
    match = _KEY.fullmatch(text)
    if match is None:
        raise ParseError(f"verifier key {text[:120]!r}: expected <name>+<key hash>+<key>")
    name, stated, blob = match.groups()
    key = from_b64(blob, "verifier key")
    try:
        computed = sha256(name.encode("utf-8") + b"\n" + key)[:4]
    except UnicodeEncodeError as error:
        raise ParseError(f"verifier key {text[:120]!r}: its name is not UTF-8") from error
    lengths = {1: 33, _COSIGNATURE: 33, _ML_DSA: 1313, 0xFF: len(key)}
    if stated != computed.hex() or lengths.get(key[0]) != len(key):
        raise ParseError(f"verifier key {text[:120]!r}: its parts do not agree")
    if len(key) == 33 and not strict_point(key[1:]):
        raise ParseError(f"verifier key {text[:120]!r}: not a strict Ed25519 key")
    return Witness(name, computed, key[0], key[1:])
