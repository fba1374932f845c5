"""The issuing door: codes that nobody has been given before, and the log of who got them when.

Call it in a writing transaction of the caller's: counter, numbers and log line are kept together or not at all, so a
number is given out exactly when the transaction has been committed, and print only then.
"""

import secrets
from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy.orm import Session

from trace.errors import LimitError
from trace.identifiers.gs1_keys import Gtin, Lgtin, Sgtin, Sscc
from trace.issuing import MOST_SERIALS, lot_of, new_serial, require_company_prefix, sscc_of
from trace.store import issue_rows
from trace.store.issue_rows import Batch

MOST_AT_ONCE = 10_000
"""Codes a call: keeps a transaction short; a press run is many calls."""


def issue_serials(
    session: Session,
    platform: int,
    gtin: Gtin,
    amount: int,
    party: str,
    at: datetime,
    draw: Callable[[int], int] = secrets.randbelow,
) -> list[Sgtin]:
    """New random serial numbers of a trade item.

    Raises: LimitError for too many at once, or when so many of this GTIN are issued that they could be guessed.
    """
    _require_amount(amount)
    issued = issue_rows.take(session, platform, "serials", str(gtin), amount, start=0)
    if issued + amount > MOST_SERIALS:
        raise LimitError(f"serial numbers of GTIN {gtin}: {issued} are issued, at most {MOST_SERIALS} may be.")
    serials: dict[str, None] = {}
    while len(serials) < amount:
        fresh = {new_serial(draw): None for _ in range(amount - len(serials))}
        for taken in issue_rows.taken_serials(session, platform, str(gtin), fresh):
            del fresh[taken]
        serials |= fresh
    batch = _log(session, platform, "serial", str(gtin), party, at, amount, None)
    issue_rows.add_serials(session, platform, str(gtin), list(serials), batch.batch_id)
    return [Sgtin(gtin, serial) for serial in serials]


def issue_ssccs(session: Session, platform: int, prefix: str, amount: int, party: str, at: datetime) -> list[Sscc]:
    """The next SSCCs of a company prefix, without gaps.

    Raises: ParseError for a wrong prefix; LimitError for too many at once, or when the prefix has no more.
    """
    _require_amount(amount)
    require_company_prefix(prefix)
    first = issue_rows.take(session, platform, "sscc", prefix, amount, start=0)
    ssccs = [sscc_of(prefix, number) for number in range(first, first + amount)]
    _log(session, platform, "sscc", prefix, party, at, amount, first)
    return ssccs


def issue_lot(session: Session, platform: int, gtin: Gtin, day: date, line: str, party: str, at: datetime) -> Lgtin:
    """The next lot of a trade item on a day and a line.

    Raises: ParseError for a wrong line; LimitError after 999 lots.
    """
    scope = f"{gtin}/{day}/{line}"
    lot_of(day, line, 1)  # a wrong line shall not make a counter
    number = issue_rows.take(session, platform, "lot", scope, 1, start=1)
    lot = Lgtin(gtin, lot_of(day, line, number))
    _log(session, platform, "lot", scope, party, at, 1, number)
    return lot


def issued_to(session: Session, platform: int, item: Sgtin) -> Batch | None:
    """In which batch, so to whom and when, a serial number was given out; None when it never was by us."""
    return issue_rows.batch_of_serial(session, platform, str(item.gtin), item.serial)


def sscc_issued_to(session: Session, platform: int, sscc: Sscc, prefix: str) -> Batch | None:
    """The same of an SSCC; `prefix` is the company prefix that it is thought to have."""
    digits = sscc.digits
    if not digits[1:].startswith(prefix):
        return None
    number = int(digits[0] + digits[1 + len(prefix) : -1])
    return issue_rows.batch_of_number(session, platform, "sscc", prefix, number)


def batches(session: Session, platform: int, party: str) -> list[Batch]:
    """All that a party was given, oldest first."""
    return issue_rows.batches_of_party(session, platform, party)


def _log(
    session: Session, platform: int, kind: str, scope: str, party: str, at: datetime, amount: int, first: int | None
) -> Batch:
    batch_id = issue_rows.take(session, platform, "batch", "", 1, start=1)
    batch = Batch(batch_id, kind, scope, party, at, amount, first)
    issue_rows.add_batch(session, platform, batch)
    return batch


def _require_amount(amount: int) -> None:
    if not 1 <= amount <= MOST_AT_ONCE:
        raise LimitError(f"{amount} codes: expected 1 to {MOST_AT_ONCE} at once.")
