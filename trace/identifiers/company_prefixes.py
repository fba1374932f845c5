"""GS1 Company Prefixes at the head of a value (GS1 General Specifications, section "GS1 Company Prefix").

The shortest has 4 digits, and that is all that can be checked without a list of those that are allocated. Whoever has
such a list gives it as `allocated`; the tables of this package, like the GS1 Barcode Syntax Engine, have none.
"""

from collections.abc import Callable

from trace.errors import UnavailableError
from trace.identifiers.faults import Fault

SHORTEST = 4

Allocated = Callable[[str], bool]
"""Whether these digits begin with an allocated prefix. Raises: UnavailableError when it cannot be asked."""


def company_prefix_fault(text: str, allocated: Allocated | None = None) -> Fault | None:
    """What is wrong with the company prefix that this text begins with."""
    if len(text) < SHORTEST:
        what = f"expected a company prefix of at least {SHORTEST} digits, got {len(text)} characters"
        return Fault("GS1_LINTER_TOO_SHORT_FOR_GCP", what, 0, len(text))
    for at, char in enumerate(text[:SHORTEST]):
        if not "0" <= char <= "9":
            what = f"{char!r} in the company prefix, expected digits"
            return Fault("GS1_LINTER_INVALID_GCP_PREFIX", what, at, 1)
    if allocated is None:
        return None
    try:
        known = allocated(text)
    except UnavailableError:
        what = "whether the company prefix is allocated could not be asked"
        return Fault("GS1_LINTER_GCP_DATASOURCE_OFFLINE", what, 0, len(text))
    if not known:
        what = f"{text!r} does not begin with an allocated company prefix"
        return Fault("GS1_LINTER_INVALID_GCP_PREFIX", what, 0, len(text))
    return None
