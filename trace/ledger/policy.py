"""Which logs are trusted, and whose cosignatures a checkpoint needs: c2sp.org/tlog-policy files.

    log <verifier key> [<url>]
    witness <name> <verifier key> [<url>]
    group <name> any|all|<k> <name>...
    quorum <name>|none

The platform asks the witnesses of its policy and serves what they cosigned; whether the quorum is reached decides what
is given out first. The verifier has a reader of its own (`verify_policy.py`). No SQL, no clock, no network.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trace.errors import ParseError
from trace.ledger.note import SignatureType, VerifierKey

MAX_POLICY_BYTES = 1_000_000
_SPACES = re.compile("[ \t]+")
_THRESHOLD = re.compile("[1-9][0-9]{0,5}")
_LOG_TYPES = (SignatureType.ED25519, SignatureType.ML_DSA_44, SignatureType.OTHER)
_WITNESS_TYPES = (SignatureType.COSIGNATURE, SignatureType.ML_DSA_44)


@dataclass(frozen=True)
class Party:
    """A log or a witness."""

    key: VerifierKey
    url: str | None
    """Of a witness its submission prefix (c2sp.org/tlog-witness), of a log its own prefix. No slash at the end."""


@dataclass(frozen=True)
class Group:
    """Witnesses the checkpoint when `threshold` of its members do."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """A policy file. Names are opaque; octets that are no UTF-8 stand as lone surrogates."""

    logs: tuple[Party, ...]
    witnesses: Mapping[str, Party]
    groups: Mapping[str, Group]
    quorum: str | None
    """Name of a witness or group; None for `none`."""

    @classmethod
    def parse(cls, data: bytes) -> "Policy":
        """Raises: ParseError naming the line."""
        reader = _Reader()
        if len(data) > MAX_POLICY_BYTES:
            raise ParseError(f"policy: {len(data)} bytes, at most {MAX_POLICY_BYTES} are read")
        # The LF behind the last line may be missing: editors forget it, and nothing is cut by that.
        for number, octets in enumerate(data.split(b"\n"), 1):
            try:
                reader.line(octets)
            except ParseError as error:
                raise ParseError(f"policy, line {number}: {error}") from error
        if not reader.has_quorum:
            raise ParseError("policy: expected one line 'quorum <name>' or 'quorum none'")
        return cls(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)

    def to_text(self) -> str:
        """The policy without comments and URLs: what an offline verifier needs."""
        lines = [f"log {log.key}" for log in self.logs]
        lines += [f"witness {name} {witness.key}" for name, witness in self.witnesses.items()]
        lines += [f"group {name} {each.threshold} {' '.join(each.members)}" for name, each in self.groups.items()]
        return "\n".join([*lines, f"quorum {self.quorum or 'none'}", ""])

    def satisfied(self, cosigners: Collection[str]) -> bool:
        """Whether these witnesses, by their names, are a quorum."""
        return self.quorum is None or self._witnessed(self.quorum, cosigners)

    def _witnessed(self, name: str, cosigners: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigners
        return sum(self._witnessed(member, cosigners) for member in group.members) >= group.threshold


class _Reader:
    """Reads one line after the other; a line may only name what stands before it."""

    def __init__(self) -> None:
        self.logs: list[Party] = []
        self.witnesses: dict[str, Party] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self.has_quorum = False
        self._members: set[str] = set()

    def line(self, octets: bytes) -> None:
        for octet in octets:
            if octet == 0x7F or (octet < 0x20 and octet != 0x09):
                raise ParseError(f"octet {octet:#04x}: expected no control characters but tab and LF")
        words = _SPACES.split(octets.decode("utf-8", "surrogateescape").strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            return
        keyword, *items = words
        read = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}.get(keyword)
        if read is None:
            raise ParseError(f"{_shown(keyword)}: expected log, witness, group or quorum")
        read(items)

    def _log(self, items: list[str]) -> None:
        _count(items, (1, 2), "log <verifier key> [<url>]")
        party = _party(items, "a log", _LOG_TYPES)
        if any(party.key.material == other.key.material for other in self.logs):
            raise ParseError(f"log {_shown(party.key.name)}: its key stands on an earlier line")
        self.logs.append(party)

    def _witness(self, items: list[str]) -> None:
        _count(items, (2, 3), "witness <name> <verifier key> [<url>]")
        self._new(items[0])
        party = _party(items[1:], "a witness", _WITNESS_TYPES)
        for name, other in self.witnesses.items():
            if party.key.material == other.key.material:
                raise ParseError(f"witness {_shown(items[0])}: its key is that of {_shown(name)}")
        self.witnesses[items[0]] = party

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise ParseError("expected group <name> any|all|<number> <name>...")
        name, threshold, *members = items
        self._new(name)
        for member in members:
            self._known(member)
            if member in self._members:
                raise ParseError(
                    f"group {_shown(name)}: {_shown(member)} is a member already, here or of another group"
                )
            self._members.add(member)
        numbers = {"any": 1, "all": len(members)}
        if threshold not in numbers and _THRESHOLD.fullmatch(threshold) is None:
            raise ParseError(f"group {_shown(name)}: {_shown(threshold)}: expected any, all or a number")
        needed = numbers.get(threshold) or int(threshold)
        if needed > len(members):
            raise ParseError(f"group {_shown(name)}: {needed} of {len(members)} members can never be")
        self.groups[name] = Group(needed, tuple(members))

    def _quorum(self, items: list[str]) -> None:
        _count(items, (1,), "quorum <name>")
        if self.has_quorum:
            raise ParseError("a second quorum: expected one")
        if items[0] != "none":
            self._known(items[0])
            self.quorum = items[0]
        self.has_quorum = True

    def _new(self, name: str) -> None:
        if name == "none":
            raise ParseError("name 'none' stands for no quorum: expected another")
        if name in self.witnesses or name in self.groups:
            raise ParseError(f"name {_shown(name)} is defined on an earlier line")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ParseError(f"{_shown(name)}: no earlier line defines a witness or group of this name")


def _count(items: list[str], counts: tuple[int, ...], form: str) -> None:
    if len(items) not in counts:
        raise ParseError(f"{len(items)} words behind {form.split(' ')[0]!r}: expected {form}")


def _party(items: list[str], what: str, kinds: tuple[SignatureType, ...]) -> Party:
    key = VerifierKey.parse(items[0])
    if key.kind not in kinds:
        wanted = " or ".join(f"{kind:#04x}" for kind in kinds)
        raise ParseError(f"verifier key {_shown(key.name)}: type {key.kind:#04x}: {what} has {wanted}")
    return Party(key, items[1].rstrip("/") if len(items) > 1 else None)


def _shown(name: str) -> str:
    """A name as an error says it: octets that are no text must not break the line."""
    return ascii(name[:80]) if not name.isprintable() else repr(name[:80])
