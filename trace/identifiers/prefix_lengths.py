"""How long the GS1 Company Prefix of a key is: what an EPC URN needs and no key says (EPC Tag Data Standard 2.3, 7.1).

GS1's register knows it, and publishes a table of it, `gcpprefixformatlist.json`. The table is not ours to copy: whoever
has it gives it, and who knows the one length that matters gives that.

    {"GCPPrefixFormatList": {"date": "2026-11-01", "entry": [{"prefix": "952", "gcpLength": 7}, ...]}}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.epc_urn import fields_of
from trace.identifiers.gs1_keys import Gs1Key, Gtin, PaymentSlip, Sgtin

SHORTEST, LONGEST = 6, 12
"""A company prefix of 4 or 5 digits counts as 6 in an EPC (7.1)."""


@dataclass(frozen=True)
class PrefixLengths:
    """Lengths by what the digits begin with; the longest beginning counts."""

    by_prefix: Mapping[str, int]
    """0 where nothing is allocated. The empty beginning is for every key."""

    def __post_init__(self) -> None:
        for prefix, length in self.by_prefix.items():
            if not isinstance(length, int) or (length and not 4 <= length <= LONGEST):
                raise ParseError(f"company prefix {prefix[:20]!r}: length {str(length)[:20]}, expected 4 to {LONGEST}.")
            if prefix and not NUMERIC.holds(prefix):
                raise ParseError(f"company prefix {prefix[:20]!r}: expected digits.")

    @classmethod
    def always(cls, length: int) -> Self:
        """For keys of one company. Raises: ParseError."""
        return cls({"": length})

    @classmethod
    def parse(cls, text: str) -> Self:
        """GS1's table, as it is published. Raises: ParseError."""
        try:
            entries: Any = json.loads(text)["GCPPrefixFormatList"]["entry"]
            return cls({str(entry["prefix"]): entry["gcpLength"] for entry in entries})
        except (ValueError, KeyError, TypeError) as error:
            wanted = '{"GCPPrefixFormatList": {"entry": [{"prefix": "952", "gcpLength": 7}, ...]}}'
            raise ParseError(f"table of company prefixes {text[:40]!r}: expected {wanted}, {error!r}.") from error

    def of(self, digits: str) -> int | None:
        """Of a key whose company prefix begins these digits; None where the table does not know it."""
        for end in range(min(len(digits), LONGEST), -1, -1):
            length = self.by_prefix.get(digits[:end])
            if length is not None:
                return max(length, SHORTEST) if length else None
        return None

    def of_key(self, key: Gs1Key) -> int | None:
        """None where the table does not know it, and for a bill, of which there is no EPC."""
        if isinstance(key, PaymentSlip):
            return None
        # The first field, were the prefix as long as can be.
        return self.of(fields_of(Sgtin(key, "0") if isinstance(key, Gtin) else key, LONGEST)[0])
