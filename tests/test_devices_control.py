"""devices/control.py and journal.py: asked on loopback only, and only by this machine."""

import http.client
import json
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from devices.control import MOST_BODY_BYTES, ControlServer, station_routes
from devices.journal import Journal, Kind
from trace.errors import ValidationError


@pytest.fixture
def journal() -> Journal:
    return Journal(keep=3)


@pytest.fixture
def control(journal: Journal) -> Iterator[str]:
    server = ControlServer(station_routes(journal, lambda: {"readers": []}), port=0)
    yield server.url
    journal.close()
    server.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


def test_events_are_given_from_a_cursor_on(journal: Journal, control: str, client: httpx.Client) -> None:
    assert client.get(f"{control}/status").json() == {"readers": []}
    assert client.get(f"{control}/events").json() == {"newest": 0, "events": []}
    journal.add(Kind.CONNECTED, "dock", detail="x")
    journal.add(Kind.BAD_SCAN, "dock", raw="]E0\x1d", detail="坏")
    assert client.get(f"{control}/events", params={"after": 1}).json() == {
        "newest": 2,
        "events": [{"n": 2, "kind": "bad_scan", "reader": "dock", "raw": "]E0\x1d", "detail": "坏"}],
    }


def test_a_poll_waits_for_the_next_event(journal: Journal, control: str, client: httpx.Client) -> None:
    answers: list[dict[str, object]] = []
    asking = threading.Thread(
        target=lambda: answers.append(client.get(f"{control}/events", params={"after": 0, "wait_s": 15}).json())
    )
    asking.start()
    journal.add(Kind.CONNECTED, "dock")
    asking.join()
    assert answers == [{"newest": 1, "events": [{"n": 1, "kind": "connected", "reader": "dock"}]}]


def test_the_journal_keeps_the_last_and_a_cursor_from_before_a_restart_starts_anew(journal: Journal) -> None:
    for n in range(5):
        journal.add(Kind.JUNK, "dock", raw=str(n))
    numbers = {n: [event["n"] for event in journal.after(n, wait_s=0).events] for n in (0, 4, 5, 99)}
    assert numbers == {0: [3, 4, 5], 4: [5], 5: [], 99: [3, 4, 5]}
    assert journal.after(5, wait_s=0).newest == 5


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/events?after=x", 400, "after 'x': expected a number from 0 to 9.0072e+15"),
        ("/events?after=-1", 400, "after '-1': expected a number from 0 to 9.0072e+15"),
        ("/events?wait_s=nan", 400, "wait_s 'nan': expected a number from 0 to 30"),
        ("/", 404, "GET /: expected one of GET /status, GET /events"),
    ],
)
def test_a_bad_request_says_what_is_wrong(
    control: str, client: httpx.Client, path: str, status: int, error: str
) -> None:
    answer = client.get(control + path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    "header", [{"Origin": "http://shop.example"}, {"Host": "rebound.example:80"}, {"Origin": "null"}]
)
def test_a_web_page_cannot_reach_in(control: str, client: httpx.Client, header: dict[str, str]) -> None:
    answer = client.get(f"{control}/status", headers=header)
    ((name, value),) = header.items()
    assert answer.status_code == 400
    assert answer.json() == {"error": f"{name} {value!r}: expected this machine, like 127.0.0.1"}


def test_a_body_over_the_limit_is_refused(client: httpx.Client) -> None:
    server = ControlServer({"POST /scan": lambda request: len(request.body)}, port=0)
    assert client.post(f"{server.url}/scan", content=b"abc").json() == 3
    # Only announced: the refusal comes before the body.
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=20)
    connection.putrequest("POST", "/scan")
    connection.putheader("Content-Length", str(MOST_BODY_BYTES + 1))
    connection.endheaders()
    answer = json.loads(connection.getresponse().read())
    assert answer == {"error": f"body of {MOST_BODY_BYTES + 1} bytes, at most {MOST_BODY_BYTES} are taken"}
    connection.close()
    server.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", ""])
def test_it_binds_to_this_machine_only(host: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ControlServer({}, port=0, host=host)
    assert str(caught.value) == f"control host {host!r}: expected a loopback address, like 127.0.0.1"
