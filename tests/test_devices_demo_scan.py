"""devices/demo_scan.py against control ports that are played: what it makes of each turn of the story."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from capture_twin import CaptureTwin, serving

from devices.control import ControlServer, Request, station_routes
from devices.demo_scan import Recorded, demo_scan, parse_code
from devices.journal import Journal, Kind
from devices.uplink import http_client
from trace.errors import UnavailableError, ValidationError

CODE = parse_code("]d20106901234567892<GS>21A1")
RAW = "]d20106901234567892\x1d21A1"
HOP = {"raw": RAW, "digital_link": "https://id.gs1.org/01/06901234567892/21/A1", "leaf_index": 7, "event_id": "urn:x"}


@contextmanager
def demo(*turns: Callable[[Journal], None]) -> Iterator[tuple[str, httpx.Client, list[bytes]]]:
    """A demo whose station does one turn at each scan."""
    journal, scans, left = Journal(), list[bytes](), iter(turns)

    def scan(request: Request) -> dict[str, int]:
        scans.append(request.body)
        next(left)(journal)
        return {"bytes": len(request.body)}

    twin = CaptureTwin()
    status = {"newest": 0, "uplink": {"trouble": "server answered 503 busy"}}
    scanner = ControlServer({"POST /scan": scan}, port=0)
    station = ControlServer(station_routes(journal, lambda: status), port=0)
    twin.edge = {"scanner": scanner.url, "station": station.url}
    with serving(twin) as url, http_client(url) as client:
        yield url, client, scans
    journal.close()
    scanner.close()
    station.close()


def test_only_the_event_about_this_code_is_the_answer() -> None:
    def others_and_ours(journal: Journal) -> None:
        journal.add(Kind.DISCONNECTED, "gate", detail="unplugged")
        journal.add(Kind.BAD_SCAN, "dock", raw="]E0123", detail="somebody else's")
        journal.add(Kind.RECORDED, "dock", **{**HOP, "raw": RAW + "2", "leaf_index": 6})
        journal.add(Kind.RECORDED, "dock", **HOP)

    with demo(others_and_ours) as (url, client, scans):
        recorded = demo_scan(url, CODE, timeout_s=20, client=client)
    assert recorded == Recorded("https://id.gs1.org/01/06901234567892/21/A1", 7, "urn:x")
    assert scans == [b"]d20106901234567892\x1d21A1"]


@pytest.mark.parametrize("kind", [Kind.BAD_SCAN, Kind.REFUSED])
def test_a_bad_or_refused_scan_is_an_error_with_its_reason(kind: Kind) -> None:
    with (
        demo(lambda journal: journal.add(kind, "dock", raw=RAW, detail="no such thing")) as (url, client, _),
        pytest.raises(ValidationError, match=r"^no such thing$"),
    ):
        demo_scan(url, CODE, timeout_s=20, client=client)


def test_a_part_of_the_code_that_became_junk_is_its_error() -> None:
    with (
        demo(lambda journal: journal.add(Kind.JUNK, "dock", raw="]d201069", detail="control character")) as (
            url,
            client,
            _,
        ),
        pytest.raises(ValidationError, match=r"^control character$"),
    ):
        demo_scan(url, CODE, timeout_s=20, client=client)


def test_a_scan_that_was_taken_for_a_repetition_is_made_again() -> None:
    with demo(
        lambda journal: journal.add(Kind.REPEATED, "dock", raw=RAW, detail="taken for one scan"),
        lambda journal: journal.add(Kind.RECORDED, "dock", **HOP),
    ) as (url, client, scans):
        assert demo_scan(url, CODE, timeout_s=20, client=client).leaf_index == 7
    assert scans == [CODE, CODE]


def test_what_is_not_recorded_in_time_says_what_the_station_waits_for() -> None:
    with demo(lambda journal: None) as (url, client, _), pytest.raises(UnavailableError) as caught:
        demo_scan(url, CODE, timeout_s=0.1, client=client)
    assert str(caught.value) == "not recorded within 0.1 s: server answered 503 busy"
