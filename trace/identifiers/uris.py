"""The canonical URI of a key: the one spelling under which a thing is recorded, hashed and looked up.

    https://id.gs1.org/01/09520000000035/21/A7      a GS1 key: uncompressed Digital Link on GS1's own domain
    https://<origin host>/id/cn-drug/9900003…       a code that GS1 does not own: on the domain of the log
    urn:epc:id:gid:95100000.12345.400               an EPC that is no GS1 key: its pure identity URI

One key has one URI and the other way round: only unreserved characters stand unencoded, and another spelling of the
same thing is refused, not repaired. What people print and scan is read by `digital_link` and `identify`.
"""

from collections.abc import Iterable

from trace.errors import ParseError
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.element_string import Element
from trace.identifiers.epc_keys import OtherEpc
from trace.identifiers.epc_links import digital_link
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.gs1_keys import (
    Gln,
    Gs1Key,
    Gtin,
    Lgtin,
    PaymentSlip,
    Sgln,
    Sgtin,
    Sscc,
    Upui,
    key_of_elements,
)
from trace.identifiers.national import NationalCode
from trace.identifiers.national_codes import national_code
from trace.identifiers.percent import decode_strictly, encode

Key = Gs1Key | NationalCode | OtherEpc

EPC_SCHEME = "epc"
"""In a path: behind it stands the URI itself, of an EPC that is no GS1 key."""

_OTHER_KEYS = (
    ("8006", "21"), ("8003",), ("8004",), ("253",), ("255",), ("8010", "8011"), ("8018",), ("8017",), ("402",),
    ("401",), ("417",),
)  # fmt: skip
"""AI of a key, and of the serial number that makes one thing of it."""


def uri_of(key: Key, origin_host: str) -> str:
    """The canonical URI. `origin_host`: domain of the log's origin, home of the codes that GS1 does not own."""
    if isinstance(key, NationalCode):
        return f"https://{origin_host}/id/{key.scheme}/{encode(key.value)}"
    if isinstance(key, OtherEpc):
        return str(EpcUrn(key, None))
    return digital_link(key)


def key_from_uri(uri: str, origin_host: str) -> Key:
    """The key of a canonical URI.

    Raises: ParseError when it is not canonical, even if it names a key.
    """
    national = f"https://{origin_host}/id/"
    if uri.startswith(national):
        scheme, _, value = uri.removeprefix(national).partition("/")
        key: Key = national_code(scheme, decode_strictly(value))
    elif uri.startswith("urn:epc:"):
        key = EpcUrn.parse(uri).key
    else:
        key = key_of_elements(DigitalLink.parse(uri).path)
    canonical = uri_of(key, origin_host)
    if uri != canonical:
        raise ParseError(f"URI {uri[:120]!r}: expected the canonical spelling {canonical!r}.")
    return key


def keys_of(elements: Iterable[Element]) -> tuple[Key, ...]:
    """All keys that valid elements name, most specific first: item, lot, logistic unit, trade item, place, others.

    What a logistic unit contains, AI (02), is not what the code identifies.
    """
    values = dict(elements)
    gtin = Gtin(values["01"]) if "01" in values else None
    gln = Gln(values["414"]) if "414" in values else None
    found: list[Key] = []
    if gtin is not None and "21" in values:
        found.append(Sgtin(gtin, values["21"]))
    if gtin is not None and "10" in values:
        found.append(Lgtin(gtin, values["10"]))
    if gtin is not None and "235" in values:
        found.append(Upui(gtin, values["235"]))
    if "00" in values:
        found.append(Sscc(values["00"]))
    if gtin is not None:
        found.append(gtin)
    if gln is not None and "254" in values:
        found.append(Sgln(gln, values["254"]))
    if gln is not None:
        found.append(gln)
    if "415" in values and "8020" in values:
        # Who sends a bill is no key without the number of the bill.
        found.append(PaymentSlip(Gln(values["415"]), values["8020"]))
    for ais in _OTHER_KEYS:
        elements_there = tuple((ai, values[ai]) for ai in ais if ai in values)
        if elements_there and elements_there[0][0] == ais[0]:
            found.append(key_of_elements(elements_there))
    return tuple(found)


def path_of(uri: str) -> str:
    """Where a canonical URI is looked up: `/01/09520000000035/21/A7`, `/id/cn-drug/9900003…`, `/id/epc/urn%3Aepc…`."""
    if uri.startswith("urn:"):
        return f"/id/{EPC_SCHEME}/{encode(uri)}"
    return "/" + uri.split("/", 3)[3]


def gtin_of(key: Key) -> Gtin | None:
    """The trade item that a key is of, where the key says it."""
    match key:
        case Gtin():
            return key
        case Sgtin(gtin, _) | Lgtin(gtin, _):
            return gtin
    return None


def lot_of(key: Key) -> str | None:
    """The lot number that a key says. The lot of an item is not in its key: it is in the record of its production."""
    return key.lot if isinstance(key, Lgtin) else None
