"""GS1 identification keys: trade items, their lots and serial numbers, logistic units, locations.

`parse()` takes what people and scanners write, the constructor takes the normal form; both refuse what is not valid, so
a key that exists is right. `parse(str(key)) == key`. Composite keys are written as a bracketed element string:
`(01)09520000000035(21)A7`. GS1 General Specifications, section 3; which carrier a key came in is not known here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from trace.errors import ParseError
from trace.identifiers.charsets import CSET_39, CSET_82, NUMERIC, Charset
from trace.identifiers.check_digits import gs1_check_digit


@dataclass(frozen=True, slots=True)
class Gtin:
    """Global Trade Item Number: what is sold, at one packing level."""

    digits: str
    """Always 14; a GTIN-8, -12 or -13 is filled with zeros on the left."""

    def __post_init__(self) -> None:
        _require_digits("GTIN", self.digits, (14,))
        _require_check_digit("GTIN", self.digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """8, 12, 13 or 14 digits.

        Raises: ParseError for another length, a character that is no digit, or a wrong check digit.
        """
        _require_digits("GTIN", text, (8, 12, 13, 14))
        _require_check_digit("GTIN", text)
        return cls(text.zfill(14))

    @property
    def is_restricted(self) -> bool:
        """Numbered for use inside a shop, company or region: no global identification.

        GS1 prefixes 02, 04 and 20 to 29; a GTIN-8 has prefixes of its own, 0 and 2 (General Specifications, 1.4.3).
        """
        if self.digits.startswith("000000"):
            return self.digits[6] in "02"
        return self.digits[1:3] in ("02", "04") or self.digits[1] == "2"

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class Sgtin:
    """One item of a GTIN: GTIN and serial number, AI (01) and (21)."""

    gtin: Gtin
    serial: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("serial number", self.serial, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(01)` 14 digits `(21)` serial number. Raises: ParseError."""
        gtin, serial = _split("SGTIN", text, "01", 14, "21")
        return cls(Gtin(gtin), serial)

    def __str__(self) -> str:
        return f"(01){self.gtin}(21){self.serial}"


@dataclass(frozen=True, slots=True)
class Lgtin:
    """One lot of a GTIN: GTIN and batch or lot number, AI (01) and (10)."""

    gtin: Gtin
    lot: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("lot number", self.lot, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(01)` 14 digits `(10)` lot number. Raises: ParseError."""
        gtin, lot = _split("LGTIN", text, "01", 14, "10")
        return cls(Gtin(gtin), lot)

    def __str__(self) -> str:
        return f"(01){self.gtin}(10){self.lot}"


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A key of a fixed number of digits, of which the last is a check digit."""

    name: ClassVar[str]
    length: ClassVar[int]
    digits: str

    def __post_init__(self) -> None:
        _require_digits(self.name, self.digits, (self.length,))
        _require_check_digit(self.name, self.digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """All digits. Raises: ParseError."""
        return cls(text)

    def __str__(self) -> str:
        return self.digits


class Sscc(_Numbered):
    """Serial Shipping Container Code: one logistic unit, a case or a pallet."""

    __slots__ = ()
    name = "SSCC"
    length = 18


class Gln(_Numbered):
    """Global Location Number: a place or a party."""

    __slots__ = ()
    name = "GLN"
    length = 13


@dataclass(frozen=True, slots=True)
class Sgln:
    """A place inside a location: GLN and extension, AI (414) and (254).

    A place without an extension is the `Gln` itself, so that one place has one key and one URI.
    """

    gln: Gln
    extension: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("GLN extension", self.extension, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(414)` 13 digits `(254)` extension. Raises: ParseError."""
        gln, extension = _split("SGLN", text, "414", 13, "254")
        return cls(Gln(gln), extension)

    def __str__(self) -> str:
        return f"(414){self.gln}(254){self.extension}"


def _require_digits(key: str, text: str, lengths: tuple[int, ...]) -> None:
    if not NUMERIC.holds(text):
        raise ParseError(f"{key} {text[:40]!r}: expected digits only.")
    if len(text) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise ParseError(f"{key} {text[:40]!r}: expected {wanted} digits, got {len(text)}.")


def _require_check_digit(key: str, digits: str) -> None:
    computed = gs1_check_digit(digits[:-1])
    if digits[-1] != computed:
        raise ParseError(f"{key} {digits!r}: check digit is {digits[-1]}, computed {computed}.")


def _require_text(what: str, text: str, most: int) -> None:
    if not 1 <= len(text) <= most:
        raise ParseError(f"{what} {text[:40]!r}: expected 1 to {most} characters, got {len(text)}.")
    foreign = CSET_82.first_foreign(text)
    if foreign is not None:
        raise ParseError(f"{what} {text!r}: {text[foreign]!r} at {foreign + 1}, expected {CSET_82.name}.")


def _split(key: str, text: str, first_ai: str, length: int, second_ai: str) -> tuple[str, str]:
    """By place and not by bracket: brackets are legal characters of a serial number."""
    first, second = f"({first_ai})", f"({second_ai})"
    cut = len(first) + length
    if not text.startswith(first) or not text.startswith(second, cut):
        raise ParseError(f"{key} {text[:60]!r}: expected {first}{length} digits{second}text.")
    return text[len(first) : cut], text[cut + len(second) :]


# ---- keys that EPC tags and logistics carry beside the five above -------------------------------


class Pgln(_Numbered):
    """Party GLN, AI (417): a legal entity or a function of one, where AI (414) is a place."""

    __slots__ = ()
    name = "PGLN"
    length = 13


class Gsrn(_Numbered):
    """Global Service Relation Number - Recipient, AI (8018): a patient, a member."""

    __slots__ = ()
    name = "GSRN"
    length = 18


class Gsrnp(_Numbered):
    """Global Service Relation Number - Provider, AI (8017): a physician, a carer."""

    __slots__ = ()
    name = "GSRNP"
    length = 18


class Gsin(_Numbered):
    """Global Shipment Identification Number, AI (402): what goes from one seller to one buyer together."""

    __slots__ = ()
    name = "GSIN"
    length = 17


@dataclass(frozen=True, slots=True)
class Grai:
    """Global Returnable Asset Identifier, AI (8003): a crate, a keg, a gas bottle."""

    digits: str
    """13: company prefix, asset type, check digit."""
    serial: str = ""
    """1 to 16 characters of set 82; empty names the asset type, not one asset."""

    def __post_init__(self) -> None:
        _require_digits("GRAI", self.digits, (13,))
        _require_check_digit("GRAI", self.digits)
        if self.serial:
            _require_text("GRAI serial number", self.serial, 16)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A zero, 13 digits and the serial number, as AI (8003) has them. Raises: ParseError."""
        if not text.startswith("0"):
            raise ParseError(f"GRAI {text[:40]!r}: expected a zero in front of 13 digits, got {text[:1]!r}.")
        return cls(text[1:14], text[14:])

    def __str__(self) -> str:
        return f"0{self.digits}{self.serial}"


@dataclass(frozen=True, slots=True)
class Gdti:
    """Global Document Type Identifier, AI (253): a certificate, a licence, a laboratory report."""

    digits: str
    """13: company prefix, document type, check digit."""
    serial: str = ""
    """1 to 17 characters of set 82; empty names the type of document, not one document."""

    def __post_init__(self) -> None:
        _require_digits("GDTI", self.digits, (13,))
        _require_check_digit("GDTI", self.digits)
        if self.serial:
            _require_text("GDTI serial number", self.serial, 17)

    @classmethod
    def parse(cls, text: str) -> Self:
        """13 digits and the serial number. Raises: ParseError."""
        return cls(text[:13], text[13:])

    def __str__(self) -> str:
        return f"{self.digits}{self.serial}"


@dataclass(frozen=True, slots=True)
class Gcn:
    """Global Coupon Number, AI (255); with a serial number the SGCN of an EPC tag."""

    digits: str
    """13: company prefix, coupon reference, check digit."""
    serial: str = ""
    """1 to 12 digits; empty names the kind of coupon, not one coupon."""

    def __post_init__(self) -> None:
        _require_digits("GCN", self.digits, (13,))
        _require_check_digit("GCN", self.digits)
        if self.serial:
            _require_digits("GCN serial component", self.serial, tuple(range(1, 13)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """13 digits and the serial component. Raises: ParseError."""
        return cls(text[:13], text[13:])

    def __str__(self) -> str:
        return f"{self.digits}{self.serial}"


@dataclass(frozen=True, slots=True)
class Giai:
    """Global Individual Asset Identifier, AI (8004): one forklift, one cold store."""

    value: str
    """Company prefix and asset reference: 4 to 30 characters of set 82, the first 4 digits."""

    def __post_init__(self) -> None:
        _require_prefix_and_text("GIAI", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Up to 30 characters. Raises: ParseError."""
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Ginc:
    """Global Identification Number for Consignment, AI (401): what a forwarder moves as a whole."""

    value: str
    """Company prefix and consignment reference: 4 to 30 characters of set 82, the first 4 digits."""

    def __post_init__(self) -> None:
        _require_prefix_and_text("GINC", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Up to 30 characters. Raises: ParseError."""
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Cpi:
    """Component / Part Identifier, AI (8010), and its serial number, AI (8011)."""

    value: str
    """Company prefix and part reference: 4 to 30 characters of set 39, the first 4 digits."""
    serial: str = ""
    """1 to 12 digits without leading zeros; empty names the kind of part, not one part."""

    def __post_init__(self) -> None:
        _require_prefix_and_text("CPI", self.value, CSET_39)
        if self.serial:
            _require_digits("CPI serial number", self.serial, tuple(range(1, 13)))
            if self.serial[0] == "0" and self.serial != "0":
                raise ParseError(f"CPI serial number {self.serial!r}: expected no leading zero.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The CPI, or `(8010)` CPI `(8011)` serial number. Raises: ParseError."""
        if not text.startswith("(8010)"):
            return cls(text)
        value, mark, serial = text.removeprefix("(8010)").partition("(8011)")  # no bracket is in set 39
        if not mark or not serial:
            raise ParseError(f"CPI {text[:60]!r}: expected (8010)CPI(8011)digits.")
        return cls(value, serial)

    def __str__(self) -> str:
        return f"(8010){self.value}(8011){self.serial}" if self.serial else self.value


@dataclass(frozen=True, slots=True)
class Itip:
    """Individual Trade Item Piece, AI (8006): one of several packages of one trade item; with AI (21) one instance."""

    gtin: Gtin
    piece: str
    """2 digits."""
    total: str
    """2 digits: of how many. Whether piece and total make sense is for the linter of the AI."""
    serial: str = ""
    """1 to 20 characters of set 82; empty names the kind of piece."""

    def __post_init__(self) -> None:
        _require_digits("ITIP piece number", self.piece, (2,))
        _require_digits("ITIP total", self.total, (2,))
        if self.serial:
            _require_text("serial number", self.serial, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """18 digits, or `(8006)` 18 digits `(21)` serial number. Raises: ParseError."""
        digits, serial = _split("ITIP", text, "8006", 18, "21") if text.startswith("(") else (text, "")
        _require_digits("ITIP", digits, (18,))
        return cls(Gtin(digits[:14]), digits[14:16], digits[16:], serial)

    def __str__(self) -> str:
        digits = f"{self.gtin}{self.piece}{self.total}"
        return f"(8006){digits}(21){self.serial}" if self.serial else digits


@dataclass(frozen=True, slots=True)
class Upui:
    """Unit Pack Identifier: GTIN and an extension that a third party controls, AI (01) and (235)."""

    gtin: Gtin
    extension: str
    """1 to 28 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("TPX", self.extension, 28)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(01)` 14 digits `(235)` extension. Raises: ParseError."""
        gtin, extension = _split("UPUI", text, "01", 14, "235")
        return cls(Gtin(gtin), extension)

    def __str__(self) -> str:
        return f"(01){self.gtin}(235){self.extension}"


@dataclass(frozen=True, slots=True)
class PaymentSlip:
    """A bill: GLN of who sent it, AI (415), and the reference number that it gave, AI (8020)."""

    gln: Gln
    reference: str
    """1 to 25 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("payment slip reference", self.reference, 25)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(415)` 13 digits `(8020)` reference. Raises: ParseError."""
        gln, reference = _split("payment slip", text, "415", 13, "8020")
        return cls(Gln(gln), reference)

    def __str__(self) -> str:
        return f"(415){self.gln}(8020){self.reference}"


Gs1Key = (
    Gtin | Sgtin | Lgtin | Sscc | Gln | Sgln | Pgln | Gsrn | Gsrnp | Gsin
    | Grai | Gdti | Gcn | Giai | Ginc | Cpi | Itip | Upui | PaymentSlip
)  # fmt: skip

_AI_OF: dict[type[Gs1Key], str] = {
    Sscc: "00", Gtin: "01", Gdti: "253", Gcn: "255", Ginc: "401", Gsin: "402", Gln: "414", Pgln: "417",
    Grai: "8003", Giai: "8004", Itip: "8006", Cpi: "8010", Gsrnp: "8017", Gsrn: "8018",
}  # fmt: skip
_READ: dict[str, Callable[[str], Gs1Key]] = {ai: kind.parse for kind, ai in _AI_OF.items()}


def elements_of(key: Gs1Key) -> tuple[tuple[str, str], ...]:
    """The AIs and values that carry the key, in the order of a Digital Link path."""
    match key:
        case Sgtin(gtin, serial):
            return ("01", gtin.digits), ("21", serial)
        case Lgtin(gtin, lot):
            return ("01", gtin.digits), ("10", lot)
        case Upui(gtin, extension):
            return ("01", gtin.digits), ("235", extension)
        case Sgln(gln, extension):
            return ("414", gln.digits), ("254", extension)
        case PaymentSlip(gln, reference):
            return ("415", gln.digits), ("8020", reference)
        case Cpi(value, serial) if serial:
            return ("8010", value), ("8011", serial)
        case Itip(gtin, piece, total, serial) if serial:
            return ("8006", f"{gtin}{piece}{total}"), ("21", serial)
    return ((_AI_OF[type(key)], str(key)),)


def key_of_elements(elements: tuple[tuple[str, str], ...]) -> Gs1Key:
    """The key that these elements name exactly, in the order of a Digital Link path.

    Raises: ParseError when no key has just these AIs, or a value is not valid.
    """
    match elements:
        case (("01", gtin), ("21", serial)):
            return Sgtin(Gtin(gtin), serial)
        case (("01", gtin), ("10", lot)):
            return Lgtin(Gtin(gtin), lot)
        case (("01", gtin), ("235", extension)):
            return Upui(Gtin(gtin), extension)
        case (("01", gtin),):
            return Gtin(gtin)
        case (("414", gln), ("254", extension)):
            return Sgln(Gln(gln), extension)
        case (("415", gln), ("8020", reference)):
            return PaymentSlip(Gln(gln), reference)
        case (("8010", value), ("8011", serial)):
            _require_digits("CPI serial number", serial, tuple(range(1, 13)))
            return Cpi(value, serial)
        case (("8006", digits), ("21", serial)):
            _require_text("serial number", serial, 20)
            piece = Itip.parse(digits)
            return Itip(piece.gtin, piece.piece, piece.total, serial)
        case ((ai, value),) if ai in _READ:
            return _READ[ai](value)
    ais = "".join(f"({ai})" for ai, _ in elements)
    raise ParseError(f"{ais}: expected the AIs of one GS1 key, such as (01)(21), (00), (414)(254) or (8003).")


def _require_prefix_and_text(key: str, text: str, charset: Charset = CSET_82) -> None:
    """A company prefix has 4 digits at least (General Specifications, 1.4.4)."""
    if not 4 <= len(text) <= 30:
        raise ParseError(f"{key} {text[:40]!r}: expected 4 to 30 characters, got {len(text)}.")
    if not NUMERIC.holds(text[:4]):
        raise ParseError(f"{key} {text!r}: expected a company prefix, so 4 digits at least, got {text[:4]!r}.")
    foreign = charset.first_foreign(text)
    if foreign is not None:
        raise ParseError(f"{key} {text!r}: {text[foreign]!r} at {foreign + 1}, expected {charset.name}.")
