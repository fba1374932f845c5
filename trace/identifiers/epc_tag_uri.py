"""EPC tag URIs and raw URIs: the whole EPC bank of a tag as text (EPC Tag Data Standard 2.3, section 12).

    urn:epc:tag:sgtin-96:3.0614141.812345.6789           scheme : filter value . what the pure identity has
    urn:epc:tag:[att=x01][umi=1]:sscc-96:0.…             with control fields, which are no part of the identity
    urn:epc:raw:96.x300833B2DDD9014000000001             bits . content
    urn:epc:raw:96.xC1.x…                                bits . AFI . content, what is no EPC

`EpcValue.tag_uri` is how they are written from a tag; here they are read, and made to the words that a printer writes.
"""

import re
from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.epc_binary import PcWord, encode
from trace.identifiers.epc_keys import OtherEpc, require_number
from trace.identifiers.epc_plus import MOST_BITS
from trace.identifiers.epc_urn import URN_SCHEMES, EpcUrn, join, read_fields

_TAG = "urn:epc:tag:"
_RAW = "urn:epc:raw:"
_CONTROL = re.compile(r"((?:\[[a-z0-9-]+=[0-9A-Fx]+\])+):")
_FIELD = re.compile(r"\[(?:att=x(?P<att>[0-9A-F]{2})|umi=(?P<umi>[01])|xpc(?:-w1)?=x[0-9A-F]{4,8})\]")
"""The tag computes its XPC words itself, so they are read over."""
_RAW_BODY = re.compile(r"([1-9][0-9]{0,2})\.(?:x([0-9A-F]+)\.x([0-9A-F]*)|x([0-9A-F]*)|([0-9]+))")


@dataclass(frozen=True, slots=True)
class TagUri:
    """What is to be written to a tag, or was read from it."""

    scheme: str
    """`sgtin-96`."""
    urn: EpcUrn
    filter_value: int
    """0 where the scheme has none (GID)."""
    user_memory: bool = False
    attributes: int = 0
    """8 bits."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`urn:epc:tag:` with any scheme before TDS 2; the later ones have no tag URI.

        Raises: ParseError, also when the scheme cannot hold this key.
        """
        try:
            attributes, user_memory, body = _read_control(text, _TAG)
            name, _, rest = body.partition(":")
            family, dash, _ = name.partition("-")
            if not dash or f"urn:epc:id:{family}" not in URN_SCHEMES:
                raise ParseError(f"expected a scheme such as sgtin-96, got {name[:20]!r}.")
            filter_text, identity = ("0", rest) if family == "gid" else _split_filter(rest)
            require_number("filter value", filter_text, 6)
            _, fields = read_fields(f"urn:epc:id:{family}:{identity}", URN_SCHEMES)
            key = URN_SCHEMES[f"urn:epc:id:{family}"].key_of(fields)
            urn = EpcUrn(key, None if isinstance(key, OtherEpc) else len(fields[0]))
            tag = cls(name, urn, int(filter_text), user_memory, attributes)
            tag.to_bank()
        except (ParseError, ValidationError) as error:
            raise ParseError(f"EPC tag URI {text[:80]!r}: {error}") from error
        return tag

    def to_bank(self) -> tuple[int, bytes]:
        """PC word and EPC, filled to whole words.

        Raises: ValidationError when the scheme cannot hold the key.
        """
        epc = encode(self.urn, filter_value=self.filter_value, scheme=self.scheme)
        return PcWord(len(epc), self.user_memory, False, None, self.attributes).to_int(), epc

    def __str__(self) -> str:
        control = f"[att=x{self.attributes:02X}]" if self.attributes else ""
        if self.user_memory:
            control += "[umi=1]"
        if control:
            control += ":"
        filter_text = "" if self.scheme == "gid-96" else f"{self.filter_value}."
        return f"{_TAG}{control}{self.scheme}:{filter_text}{join(self.urn.fields)}"


def raw_to_bank(text: str) -> tuple[int, bytes]:
    """PC word and content of a raw URI, filled to whole words.

    Raises: ParseError.
    """
    try:
        attributes, user_memory, body = _read_control(text, _RAW)
        match = _RAW_BODY.fullmatch(body)
        if match is None:
            raise ParseError("expected bits.xHEX, bits.xAFI.xHEX or bits.number.")
        total = int(match[1])
        if total > MOST_BITS:
            raise ParseError(f"expected at most {MOST_BITS} bits, got {total}.")
        afi = None if match[2] is None else int(match[2], 16)
        if afi is not None and afi > 0xFF:
            raise ParseError(f"AFI {match[2]}: expected at most FF.")
        content = _content(match[5], match[3] or match[4] or "0", total)
    except ParseError as error:
        raise ParseError(f"EPC raw URI {text[:80]!r}: {error}") from error
    fill = -total % 16
    epc = (content << fill).to_bytes((total + fill) // 8)
    return PcWord(len(epc), user_memory, False, afi, attributes).to_int(), epc


def _content(decimal: str | None, hexadecimal: str, total: int) -> int:
    if decimal is not None and (len(decimal) > 150 or (decimal[0] == "0" and decimal != "0")):
        raise ParseError(f"content {decimal[:20]!r}: expected a number without leading zeros.")
    content = int(decimal) if decimal is not None else int(hexadecimal, 16)
    if content >> total:
        raise ParseError(f"content needs {content.bit_length()} bits, expected at most {total}.")
    return content


def _read_control(text: str, prefix: str) -> tuple[int, bool, str]:
    """Attribute bits, user memory indicator, and what stands behind the control fields."""
    if not text.startswith(prefix) or len(text) > 500:
        raise ParseError(f"expected {prefix} and at most 500 characters.")
    body = text.removeprefix(prefix)
    match = _CONTROL.match(body)
    if match is None:
        return 0, False, body
    attributes, user_memory, at = 0, False, 0
    while at < len(match[1]):
        field = _FIELD.match(match[1], at)
        if field is None:
            raise ParseError(f"control field {match[1][at : at + 20]!r}: expected [att=xNN], [umi=0] or [umi=1].")
        attributes = int(field["att"], 16) if field["att"] else attributes
        user_memory = field["umi"] == "1" if field["umi"] else user_memory
        at = field.end()
    return attributes, user_memory, body[match.end() :]


def _split_filter(rest: str) -> tuple[str, str]:
    filter_text, _, identity = rest.partition(".")
    return filter_text, identity
