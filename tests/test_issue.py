"""The issuing door: nothing is given out twice, under threads, in two processes, and after a restart."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from build import settings
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.database import Database
from trace.errors import LimitError, ParseError
from trace.identifiers.gs1_keys import Gtin, Lgtin, Sgtin, Sscc
from trace.issue import batches, issue_lot, issue_serials, issue_ssccs, issued_to, sscc_issued_to
from trace.issuing import MOST_SERIALS, SERIAL_ALPHABET, SERIAL_LENGTH, sscc_of
from trace.store.issue_rows import Batch

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
GTIN = Gtin("09520000000028")
PREFIX = "9520000"
FARM, PLANT = "a" * 32, "b" * 32
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(settings(tmp_path).database)
    database.migrate()
    yield database
    database.close()


def serials(database: Database, amount: int) -> list[Sgtin]:
    with database.writing() as session:
        return issue_serials(session, 1, GTIN, amount, PLANT, AT)


def ssccs(database: Database, amount: int) -> list[Sscc]:
    with database.writing() as session:
        return issue_ssccs(session, 1, PREFIX, amount, PLANT, AT)


def test_who_got_a_number_and_when_is_known(database: Database) -> None:
    first, second = serials(database, 2)
    (case,) = ssccs(database, 1)
    expected = Batch(1, "serial", GTIN.digits, PLANT, AT, 2, None)
    with database.reading() as session:
        assert issued_to(session, 1, first) == issued_to(session, 1, second) == expected
        assert issued_to(session, 1, Sgtin(GTIN, "NEVER")) is None
        assert issued_to(session, 2, first) is None
        assert sscc_issued_to(session, 1, case, PREFIX) == Batch(2, "sscc", PREFIX, PLANT, AT, 1, 0)
        assert sscc_issued_to(session, 1, sscc_of(PREFIX, 1), PREFIX) is None
        assert sscc_issued_to(session, 1, case, "690000") is None
        assert [batch.batch_id for batch in batches(session, 1, PLANT)] == [1, 2]
        assert batches(session, 1, FARM) == []


def test_ssccs_are_counted_without_gaps_over_a_failure_and_a_restart(database: Database, tmp_path: Path) -> None:
    assert ssccs(database, 2) == [sscc_of(PREFIX, 0), sscc_of(PREFIX, 1)]
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        issue_ssccs(session, 1, PREFIX, 5, PLANT, AT)
        raise ZeroDivisionError  # the label printer is out of reach
    database.close()
    again = Database(settings(tmp_path).database)
    assert ssccs(again, 1) == [sscc_of(PREFIX, 2)]
    with again.reading() as session:
        assert [(batch.first_number, batch.amount) for batch in batches(session, 1, PLANT)] == [(0, 2), (2, 1)]
    again.close()


def test_a_number_that_was_drawn_before_is_drawn_again(database: Database) -> None:
    drawn = iter([0] * SERIAL_LENGTH * 3 + [1] * SERIAL_LENGTH)
    with database.writing() as session:
        first = issue_serials(session, 1, GTIN, 1, PLANT, AT, lambda _: next(drawn))
        second = issue_serials(session, 1, GTIN, 1, FARM, AT, lambda _: next(drawn))
    assert [item.serial for item in first + second] == [
        SERIAL_ALPHABET[0] * SERIAL_LENGTH,
        SERIAL_ALPHABET[1] * SERIAL_LENGTH,
    ]


def test_threads_never_get_the_same_number(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        items = [item for found in pool.map(lambda _: serials(database, 25), range(16)) for item in found]
        cases = [case for found in pool.map(lambda _: ssccs(database, 25), range(16)) for case in found]
    assert len(set(items)) == len(items) == 400
    assert sorted(cases, key=str) == sorted((sscc_of(PREFIX, number) for number in range(400)), key=str)


_OTHER = """
import sys
from datetime import UTC, datetime
from app.database import Database
from trace.issue import issue_ssccs
database = Database(sys.argv[1])
for _ in range(20):
    with database.writing() as session:
        for sscc in issue_ssccs(session, 1, "9520000", 5, "c" * 32, datetime(2026, 11, 24, tzinfo=UTC)):
            print(sscc)
database.close()
"""


def test_two_processes_on_one_file_never_get_the_same_number(database: Database, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OTHER, settings(tmp_path).database]
    others = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    mine = [case for _ in range(20) for case in ssccs(database, 5)]
    for other in others:
        printed, _ = other.communicate(timeout=60)
        assert other.returncode == 0
        mine += [Sscc(line) for line in printed.splitlines()]
    assert sorted(mine, key=str) == sorted((sscc_of(PREFIX, number) for number in range(300)), key=str)


def test_lots_are_counted_by_day_and_line(database: Database) -> None:
    day = date(2026, 11, 24)
    with database.writing() as session:
        given = [issue_lot(session, 1, GTIN, day, line, PLANT, AT) for line in "AAB"]
        given.append(issue_lot(session, 1, GTIN, date(2026, 11, 25), "A", PLANT, AT))
    assert given == [Lgtin(GTIN, lot) for lot in ("261124A001", "261124A002", "261124B001", "261125A001")]


def test_too_much_or_wrong_is_refused_and_leaves_nothing(database: Database) -> None:
    for amount in (0, 10_001):
        with pytest.raises(LimitError, match=f"^{amount} codes: expected 1 to 10000 at once"):
            serials(database, amount)
    with pytest.raises(ParseError, match="expected 4 to 12 digits"), database.writing() as session:
        issue_ssccs(session, 1, "95", 1, PLANT, AT)
    with database.writing() as session:
        session.execute(
            text("INSERT INTO issue_counter VALUES (1, 'serials', :gtin, :most)"),
            {"gtin": GTIN.digits, "most": MOST_SERIALS - 1},
        )
    assert len(serials(database, 1)) == 1
    with pytest.raises(LimitError) as error:
        serials(database, 1)
    assert str(error.value) == (
        f"serial numbers of GTIN 09520000000028: {MOST_SERIALS} are issued, at most {MOST_SERIALS} may be."
    )
    with database.reading() as session:
        assert len(batches(session, 1, PLANT)) == 1


@pytest.mark.parametrize("table", ["issue_batch", "issued_serial"])
def test_what_was_issued_stays_issued(database: Database, table: str) -> None:
    serials(database, 1)
    for act, statement in (("UPDATE", f"UPDATE {table} SET platform = 2"), ("DELETE", f"DELETE FROM {table}")):
        with pytest.raises(IntegrityError) as error, database.writing() as session:
            session.execute(text(statement))
        assert str(error.value.orig) == f"issued codes stay issued: no {act} on {table}"
