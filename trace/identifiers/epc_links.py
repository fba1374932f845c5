"""The same identity as EPC URN and as Digital Link (EPC Tag Data Standard 2.3, sections 6, 7 and 8; EPCIS 2.0).

    urn:epc:id:sgtin:0614141.112345.400        https://id.gs1.org/01/10614141123459/21/400
    urn:epc:idpat:sgtin:0614141.112345.*       https://id.gs1.org/01/10614141123459

To a link nothing need be known. To a URN the length of the company prefix must be: it is GS1's register that knows it
(section 7.1), and it is never guessed here.
"""

from trace.errors import ParseError, ValidationError
from trace.identifiers.digital_link import CANONICAL_STEM, DigitalLink
from trace.identifiers.element_string import Element
from trace.identifiers.epc_keys import OtherEpc
from trace.identifiers.epc_pattern import ClassKey, EpcPattern, class_pattern
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.gs1_keys import Gs1Key, Gtin, PaymentSlip, elements_of, key_of_elements
from trace.identifiers.percent import encode


def digital_link(key: Gs1Key, stem: str = CANONICAL_STEM, elements: tuple[Element, ...] = ()) -> str:
    """The key as path, other elements as query, percent-encoded canonically."""
    path = "".join(f"/{ai}/{encode(value)}" for ai, value in elements_of(key))
    query = "&".join(f"{ai}={encode(value)}" for ai, value in elements)
    return f"{stem}{path}{'?' if query else ''}{query}"


def urn_to_link(urn: str, *, lenient: bool = False) -> str:
    """Canonical Digital Link of a pure identity, a lot or a pattern that names a GS1 class.

    `lenient` as in `EpcUrn.parse`.

    Raises: ParseError; ValidationError when no Digital Link names it.
    """
    if urn.startswith("urn:epc:idpat:"):
        key: Gs1Key | OtherEpc | None = EpcPattern.parse(urn, lenient=lenient).key
    else:
        key = EpcUrn.parse(urn, lenient=lenient).key
    if key is None or isinstance(key, OtherEpc):
        raise ValidationError(f"EPC {urn[:80]!r}: expected a GS1 key or class, no Digital Link names this.")
    return digital_link(key)


def key_of_link(uri: str) -> Gs1Key:
    """The key of a Digital Link that stands for a thing in an EPCIS event: any domain, the key alone.

    Raises: ParseError when the link is not valid, or says more than a key.
    """
    link = DigitalLink.parse(uri)
    if link.attributes:
        ais = "".join(f"({ai})" for ai, _ in link.attributes)
        raise ParseError(f"Digital Link {uri[:80]!r}: expected a key alone, got {ais} besides.")
    if "#" in uri:
        raise ParseError(f"Digital Link {uri[:80]!r}: expected a key alone, got a fragment at {uri.index('#') + 1}.")
    return key_of_elements(link.path)


def link_to_urn(uri: str, company_prefix_length: int) -> str:
    """Pure identity URI of a Digital Link, or the pattern of a class.

    Raises: ParseError as `key_of_link`; ValidationError when the company prefix cannot be as long, or the key has no
    EPC.
    """
    return epc_uri(key_of_link(uri), company_prefix_length)


def epc_uri(key: Gs1Key, company_prefix_length: int) -> str:
    """Pure identity URI; of a lot its class URI, of another class its pattern.

    Raises: ValidationError when the company prefix cannot be as long, or the key has no EPC.
    """
    if isinstance(key, Gtin) or (isinstance(key, ClassKey) and not key.serial):
        return str(class_pattern(key, company_prefix_length))
    if isinstance(key, PaymentSlip):
        raise ValidationError(f"EPC of {key}: no EPC scheme names it.")
    return str(EpcUrn(key, company_prefix_length))
