"""GS1 Digital Link URIs that hold the binary EPC of a tag (GS1 Digital Link URI: Compression Technical Standard for EPC
binary strings 1.0.0, section 4.2; URI Syntax, 6.1.2, expression RE3). NFC tags send them.

    https://example.com/eh30164596f40c0e5cbe991a83      the EPC in lower-case hexadecimal
    https://example.com/exMBZFlvQMDly-mRqD              the same, six bits a character of the URI-safe base 64 alphabet

The filter value has no place in a link and is left out.
"""

import re
from base64 import urlsafe_b64decode

from trace.errors import ParseError
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.epc_binary import decode
from trace.identifiers.uris import uri_of

_SEGMENT = re.compile(r"eh[0-9a-f]+|ex[A-Za-z0-9_-]+")


def is_epc_segment(segment: str) -> bool:
    """No other compressed form begins so: it would be optimisation 7A, which is not allocated."""
    return _SEGMENT.fullmatch(segment) is not None


def link_of_segment(segment: str, stem: str) -> DigitalLink:
    """The link of the key that the EPC holds, on this stem.

    Raises: ParseError when the segment holds no EPC with a Digital Link.
    """
    if not is_epc_segment(segment):
        raise ParseError(
            f"EPC binary string {segment[:60]!r}: expected eh and lower-case hexadecimal, or ex and base 64."
        )
    epc = _from_hex(segment[2:]) if segment.startswith("eh") else _from_base64(segment[2:])
    value = decode(epc)
    if value.key is None:
        raise ParseError(f"EPC binary string {segment[:60]!r}: {value.why_raw}")
    return DigitalLink(stem, DigitalLink.parse(uri_of(value.key, "")).path)


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text + "0" * (len(text) % 2))


def _from_base64(text: str) -> bytes:
    """Bits that do not fill a byte count as followed by zeros."""
    # `A` is six zeros: enough of them make whole groups of four characters; the bytes that they alone fill go again.
    whole = urlsafe_b64decode(text + "A" * (-len(text) % 4))
    return whole[: -(-len(text) * 6 // 8)]
