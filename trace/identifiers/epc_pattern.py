"""EPC pure identity patterns: sets of EPCs, and so the classes of things (EPC Tag Data Standard, section 8).

    urn:epc:idpat:sgtin:0614141.112345.*      all items of one GTIN: how EPCIS 1.x writes the class
    urn:epc:idpat:sgtin:0614141.*.*           everything of one company

Stars stand behind the last known field only. No Digital Link names a set, except where the set is a GS1 class.
"""

from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.epc_urn import PAD, URN_SCHEMES, EpcUrn, UrnScheme, fields_of, gtin_of_parts, join, read_fields
from trace.identifiers.gs1_keys import Cpi, Gcn, Gdti, Grai, Gtin, Itip, Sgtin

STAR = "*"

ClassKey = Gtin | Grai | Gdti | Gcn | Cpi | Itip
"""What has a serial number in its EPC, without it."""

_SCHEMES = {prefix.replace(":id:", ":idpat:"): scheme for prefix, scheme in URN_SCHEMES.items() if scheme.kind == "id"}
_BY_NAME = {scheme.name: scheme for scheme in _SCHEMES.values()}


@dataclass(frozen=True, slots=True)
class EpcPattern:
    """A set of EPCs of one scheme."""

    scheme: str
    """`sgtin`."""
    fields: tuple[str, ...]
    """Unescaped; `*` for anything, never in front of a known field."""

    def __post_init__(self) -> None:
        scheme = _BY_NAME.get(self.scheme)
        if scheme is None or len(self.fields) != scheme.count:
            raise ValidationError(f"EPC pattern {self.scheme}: expected a scheme of section 8 and its fields.")
        self._check(scheme)

    @classmethod
    def parse(cls, text: str, *, lenient: bool = False) -> Self:
        """`urn:epc:idpat:` with any scheme. `lenient` as in `EpcUrn.parse`.

        Raises: ParseError.
        """
        try:
            scheme, fields = read_fields(text, _SCHEMES, lenient=lenient)
            return cls(scheme.name, fields)
        except (ParseError, ValidationError) as error:
            raise ParseError(f"EPC pattern {text[:80]!r}: {error}") from error

    @property
    def known(self) -> tuple[str, ...]:
        """The fields in front of the stars."""
        return self.fields[: self.fields.index(STAR)] if STAR in self.fields else self.fields

    @property
    def key(self) -> ClassKey | None:
        """The class that the pattern names: all known but the serial number. None for other sets."""
        known = self.known
        if len(known) != len(self.fields) - 1:
            return None
        match self.scheme, known:
            case "sgtin", (prefix, reference):
                return gtin_of_parts(prefix, reference)
            case (("grai" | "gdti" | "sgcn" | "cpi" | "itip"), _):
                return _without_serial(_BY_NAME[self.scheme], known)
        return None

    def matches(self, urn: EpcUrn) -> bool:
        """Whether the EPC is in the set (section 8.2): each known field equal, leading zeros counted."""
        known = self.known
        return urn.scheme is _BY_NAME[self.scheme] and urn.fields[: len(known)] == known

    def __str__(self) -> str:
        return f"urn:epc:idpat:{self.scheme}:{join(self.fields)}"

    def _check(self, scheme: UrnScheme) -> None:
        known = self.known
        if set(self.fields[len(known) :]) - {STAR}:
            raise ParseError("a star stands behind the last known field only.")
        if self.scheme == "itip" and len(known) == 3:
            raise ParseError("piece and total are both known or both a star.")
        if known:
            # What is not known may be anything, so the shortest that would be valid.
            rest = ("0" * (scheme.digits - len(known[0])) if each == PAD else each for each in scheme.rest)
            scheme.key_of((*known, *tuple(rest)[len(known) - 1 :]))


def class_pattern(key: ClassKey, company_prefix_length: int) -> EpcPattern:
    """How EPCIS 1.x writes the class.

    Raises: ValidationError when the company prefix cannot be as long, or the key has a serial number.
    """
    if not isinstance(key, Gtin) and key.serial:
        raise ValidationError(f"EPC pattern of {key}: expected a class, without serial number.")
    match key:
        case Gtin():
            urn = EpcUrn(Sgtin(key, "0"), company_prefix_length)
        case Itip(gtin, piece, total, _):
            urn = EpcUrn(Itip(gtin, piece, total, "0"), company_prefix_length)
        case _:
            urn = EpcUrn(type(key)(key.digits if not isinstance(key, Cpi) else key.value, "0"), company_prefix_length)
    return EpcPattern(urn.scheme.name, (*fields_of(urn.key, company_prefix_length)[:-1], STAR))


def _without_serial(scheme: UrnScheme, known: tuple[str, ...]) -> ClassKey:
    match scheme.key_of((*known, "0")):
        case Grai(digits, _):
            return Grai(digits)
        case Gdti(digits, _):
            return Gdti(digits)
        case Gcn(digits, _):
            return Gcn(digits)
        case Cpi(value, _):
            return Cpi(value)
        case Itip(gtin, piece, total, _):
            return Itip(gtin, piece, total)
    raise ParseError(f"{scheme.name} has no classes.")
