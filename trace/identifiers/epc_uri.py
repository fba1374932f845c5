"""Any EPC URI of a thing or a set, told apart by how it begins (EPC Tag Data Standard 2.3, sections 6, 8, 12, 13)."""

from dataclasses import dataclass

from trace.identifiers.epc_keys import OtherEpc
from trace.identifiers.epc_pattern import EpcPattern
from trace.identifiers.epc_tag_pattern import TagPattern
from trace.identifiers.epc_tag_uri import TagUri
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.gs1_keys import Gs1Key


@dataclass(frozen=True)
class EpcUri:
    """What such a URI says."""

    form: str
    """`EPC URN`, `EPC tag URI`, `EPC pattern`, `EPC tag pattern`."""
    identity: str
    """Pure identity, class or pattern URI."""
    key: Gs1Key | OtherEpc | None
    """None for a pattern of many classes."""


def read_epc_uri(text: str) -> EpcUri:
    """Pure identity, lot, tag or pattern URI. Raises: ParseError."""
    if text.startswith("urn:epc:tag:"):
        urn = TagUri.parse(text).urn
        return EpcUri("EPC tag URI", str(urn), urn.key)
    if text.startswith("urn:epc:pat:"):
        # It filters tags by more than what they stand on, so it names no class even where an `idpat` would.
        return EpcUri("EPC tag pattern", str(TagPattern.parse(text)), None)
    if text.startswith("urn:epc:idpat:"):
        pattern = EpcPattern.parse(text)
        return EpcUri("EPC pattern", str(pattern), pattern.key)
    urn = EpcUrn.parse(text)
    return EpcUri("EPC URN", str(urn), urn.key)
