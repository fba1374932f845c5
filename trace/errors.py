"""Everything that can go wrong in the core, by who is at fault.

A message names the value, what was expected and what came: ``GTIN '0690…': check digit is 3, computed 7.``
It is shown to people as it stands, so it holds no SQL, no key and no personal data.
`app/problems.py` has one row for each class; a class without a row fails a test.
"""


class TraceError(Exception):
    """Base of all errors of the core. Raise a leaf, never this."""

    def __init__(self, message: str, *, code: str | None = None, at: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        """Stable name of what is wrong, for programs: `key_order`. Not every error has one."""
        self.at = at
        """Character of the text at which the fault begins, the first one is 1."""


# ---- what was sent is at fault --------------------------------------------------------------


class ParseError(TraceError):
    """Text or bytes are not what they claim to be."""


class ValidationError(TraceError):
    """Well formed, but against a rule of its standard or of ours."""


class LimitError(TraceError):
    """Too long, too deep or too many."""


class NotFoundError(TraceError):
    """Nothing is recorded under this key."""


class ConflictError(TraceError):
    """Something else is already recorded under this identity."""


# ---- the signer is at fault -----------------------------------------------------------------


class SignatureError(TraceError):
    """The signature does not belong to these bytes and this key."""


class UnknownKeyError(TraceError):
    """No key of this id is registered in this log."""


class RevokedKeyError(TraceError):
    """The key was registered, and revoked at a known leaf."""


class ForkError(ConflictError):
    """One device signed two different payloads under one sequence number: its key is in two places."""


# ---- we are at fault, or not now ------------------------------------------------------------


class UnavailableError(TraceError):
    """Nothing is wrong with what was sent; send the same bytes again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UncheckedError(TraceError):
    """It could not be checked. Says nothing about whether it is true."""


class LedgerError(TraceError):
    """What is stored contradicts what was signed. A person must look."""
