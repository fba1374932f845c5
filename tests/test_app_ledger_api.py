"""Parcels over HTTP: what is taken, what is refused, and that nothing a stranger sends is an error of ours.

Controls C46 to C48.
"""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse, create_environ, run_wsgi_app
from werkzeug.wrappers import Response

from tests.served import DAIRY, HTML, JSON, ORIGIN, World, problem, world
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import open_checkpoint, parse_verifier_key
from trace.ledger.encoding import from_b64
from trace.ledger.envelope import MAX_PARCEL_BYTES, PARCEL_MEDIA_TYPE
from trace.ledger.keys import PrivateKey
from trace.observe import Device

PARCEL = {"Content-Type": PARCEL_MEDIA_TYPE}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("api") / "data") as running:
        yield running


@pytest.fixture
def browser(here: World) -> FlaskClient:
    return here.visitor()


def size_of_log(here: World) -> int:
    here.services.publish_now()
    told = here.visitor().get("/healthz").get_json()
    return int(told["published"])


def post(browser: FlaskClient, data: bytes, **headers: str) -> TestResponse:
    return browser.post("/capture", data=data, headers={**PARCEL, **headers})


# ---- what is taken ------------------------------------------------------------------------------------


def test_a_new_parcel_is_201_and_the_same_again_200_with_the_same_receipt(here: World, browser: FlaskClient) -> None:
    data = here.parcel("C1").to_bytes()
    before = size_of_log(here)
    first = post(browser, data)
    assert first.status_code == 201
    receipt = first.get_json()
    assert set(receipt) == {"leaf_index", "leaf", "rcv", "event_id"}
    assert receipt["leaf"].startswith(f"{ORIGIN}/hop/v1\nissuer {DAIRY} {here.device.key_id} ")
    here.clock.advance(hours=1)
    for _ in range(3):
        again = post(browser, data)
        assert (again.status_code, again.get_json()) == (200, receipt)
    assert size_of_log(here) == before + 1


def test_a_parcel_may_be_called_json(here: World, browser: FlaskClient) -> None:
    data = here.parcel("C2").to_bytes()
    for kind in ("application/json", "application/json; charset=utf-8"):
        assert post(browser, data, **{"Content-Type": kind}).status_code in (200, 201)


def test_a_parcel_needs_no_session_and_makes_none(here: World, browser: FlaskClient) -> None:
    answer = post(browser, here.parcel("C3").to_bytes(), Origin="https://elsewhere.example")
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers


def test_a_parcel_may_come_in_chunks(here: World) -> None:
    assert in_chunks(here, io.BytesIO(here.parcel("C4").to_bytes())).status_code == 201


def in_chunks(here: World, body: io.RawIOBase | io.BytesIO) -> Response:
    """Transfer-Encoding chunked as the server hands it on: no length, the end of the stream is the end."""
    environ = create_environ("/capture", method="POST", headers=PARCEL)
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": body, "wsgi.input_terminated": True}
    parts, status, headers = run_wsgi_app(here.app, environ, buffered=True)
    return Response(parts, status, headers)


class Endless(io.RawIOBase):
    """Blanks without end; says how many were taken."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self.taken < 4 * MAX_PARCEL_BYTES, "reads on and on"
        self.taken += len(buffer)
        buffer[:] = b" " * len(buffer)
        return len(buffer)


# ---- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/plain", "", "application/xml", "multipart/form-data; boundary=x", "x" * 300])
def test_another_media_type_is_415_and_told_what_was_expected(browser: FlaskClient, kind: str) -> None:
    told = problem(post(browser, b"{}", **{"Content-Type": kind}))
    assert told["status"] == 415
    mimetype = kind.split(";")[0]
    assert told["detail"] == f"media type {mimetype[:80]!r}: expected {PARCEL_MEDIA_TYPE}"


@pytest.mark.parametrize("size", [MAX_PARCEL_BYTES + 1, 5_000_000])
def test_a_body_over_the_limit_is_413(here: World, browser: FlaskClient, size: int) -> None:
    assert problem(post(browser, b" " * size))["status"] == 413
    assert problem(in_chunks(here, io.BytesIO(b" " * size)))["status"] == 413


def test_a_body_at_the_limit_is_read(browser: FlaskClient) -> None:
    assert problem(post(browser, b" " * MAX_PARCEL_BYTES))["status"] == 400


def test_a_body_without_end_is_refused_at_the_limit(here: World) -> None:
    body = Endless()
    assert problem(in_chunks(here, body))["status"] == 413
    assert MAX_PARCEL_BYTES < body.taken < 2 * MAX_PARCEL_BYTES


def test_a_parcel_before_a_long_blank_is_not_taken_without_it(here: World) -> None:
    before = size_of_log(here)
    body = here.parcel("C8").to_bytes() + b" " * MAX_PARCEL_BYTES
    assert problem(in_chunks(here, io.BytesIO(body)))["status"] == 413
    assert size_of_log(here) == before


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "parcel: not JSON at character 0: Expecting value"),
        (b"{", 400, "parcel: not JSON at character 1"),
        (b"null", 400, "parcel: expected an object with ['disclosures', 'envelope'], got NoneType"),
        (b"[]", 400, "got list"),
        (b'{"a":1,"a":2}', 400, "member 'a' stands twice in one object"),
        (b'{"a":NaN}', 400, "NaN is not JSON"),
        (b'{"a":-Infinity}', 400, "-Infinity is not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", 400, "beyond 2^53-1"),
        (b'{"a":"\\ud800"}', 400, "parcel: a lone surrogate is not a character"),
        (b"\xff\xfe{}", 400, "parcel: not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", 400, "parcel: not JSON at character 0"),
        (b"[" * 17 + b"]" * 17, 413, "parcel: nested deeper than 16 levels"),
        (b"[" * 1_000_000, 413, "parcel: nested deeper than 16 levels"),
        (b'{"a":' * 250_000, 413, "parcel: nested deeper than 16 levels"),
        (b'{"envelope":{},"disclosures":[]}', 400, "envelope: expected an object with"),
    ],
    ids=[
        "empty", "cut", "null", "list", "twice", "NaN", "Infinity", "digits", "surrogate", "UTF-16", "mark",
        "17 levels", "a million levels", "deep objects", "empty envelope",
    ],
)  # fmt: skip
def test_what_is_no_parcel_is_named(browser: FlaskClient, body: bytes, status: int, detail: str) -> None:
    told = problem(post(browser, body))
    assert told["status"] == status
    assert detail in told["detail"]


def test_a_parcel_of_an_unknown_key_is_403(here: World, browser: FlaskClient) -> None:
    known = here.device
    here.device = stranger = Device(PrivateKey(bytes(32)), DAIRY, ORIGIN)
    try:
        data = here.parcel("C5").to_bytes()
    finally:
        here.device = known
    told = problem(post(browser, data))
    assert (told["status"], told["type"].rsplit("/", 1)[1]) == (403, "unknown-key")
    assert told["detail"] == f"key {stranger.key_id[:16]}…: not registered in this log"


def test_a_parcel_with_a_changed_byte_is_403_and_its_number_is_still_free(here: World, browser: FlaskClient) -> None:
    data = here.parcel("C6").to_bytes()
    parcel = json.loads(data)
    signature = bytearray(from_b64(parcel["envelope"]["signatures"][0]["sig"], "sig"))
    signature[0] ^= 1
    parcel["envelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    told = problem(post(browser, canonical(parcel)))
    assert (told["status"], told["type"].rsplit("/", 1)[1]) == (403, "signature")
    assert post(browser, data).status_code == 201


def test_while_the_log_does_not_answer_the_sender_is_told_when_to_come_again(here: World, browser: FlaskClient) -> None:
    data = here.parcel("C7").to_bytes()
    here.services.sequencer.stop()
    try:
        answer = post(browser, data)
    finally:
        here.services.sequencer.start()
    assert (problem(answer)["status"], answer.headers["Retry-After"]) == (503, "2")
    assert post(browser, data).status_code == 201


# ---- whatever a stranger sends ------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def sent(here: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """A good parcel that was recorded, and its payload."""
    data = here.parcel("FUZZ").to_bytes()
    assert post(here.visitor(), data).status_code == 201
    parcel = json.loads(data)
    return parcel, json.loads(from_b64(parcel["envelope"]["payload"], "payload"))


def refused(answer: TestResponse) -> None:
    told = problem(answer)
    assert 400 <= told["status"] < 500, told
    assert len(told["detail"]) < 2000


@given(data=st.binary(max_size=300))
@settings(max_examples=60)
def test_any_bytes_are_refused_with_a_problem(here: World, data: bytes) -> None:
    refused(post(here.visitor(), data))


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, (*at, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*at, number))


def put(value: Any, at: tuple[Any, ...], other: Any) -> Any:
    """A copy with another value at this place."""
    if not at:
        return other
    copy = value.copy()
    copy[at[0]] = put(value[at[0]], at[1:], other)
    return copy


@given(draw=st.data())
@settings(max_examples=150)
def test_a_parcel_with_anything_in_any_place_is_refused_with_a_problem(
    here: World, sent: tuple[dict[str, Any], dict[str, Any]], draw: st.DataObject
) -> None:
    parcel, _ = sent
    at = draw.draw(st.sampled_from(list(paths(parcel))))
    twisted = put(parcel, at, draw.draw(_JSON))
    if twisted != parcel:
        refused(post(here.visitor(), json.dumps(twisted).encode("utf-8", "surrogatepass")))


@given(draw=st.data())
@settings(max_examples=150)
def test_a_payload_with_anything_in_any_place_is_refused_with_a_problem(
    here: World, sent: tuple[dict[str, Any], dict[str, Any]], draw: st.DataObject
) -> None:
    parcel, payload = sent
    at = draw.draw(st.sampled_from(list(paths(payload))))
    twisted = put(payload, at, draw.draw(_JSON))
    text = json.dumps(twisted, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    envelope = {**parcel["envelope"], "payload": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    if twisted != payload:
        refused(post(here.visitor(), canonical({**parcel, "envelope": envelope})))


# ---- what the log says of itself -----------------------------------------------------------------------------


def test_the_checkpoint_is_a_signed_note_that_no_cache_keeps(here: World, browser: FlaskClient) -> None:
    here.record("K1")
    size = size_of_log(here)
    answer = browser.get("/checkpoint")
    assert answer.status_code == 200
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("text/plain", "no-cache")
    checkpoint = open_checkpoint(answer.text, *parse_verifier_key(here.services.log.verifier_key))
    assert checkpoint.size == size
    lines = answer.text.split("\n")
    assert lines[:2] == [ORIGIN, str(size)]
    assert lines[3] == ""
    assert lines[4].startswith(f"— {ORIGIN} ")
    assert lines[5:] == [""]


def test_healthz_tells_the_origin_and_how_much_is_published(here: World, browser: FlaskClient) -> None:
    here.record("K2")
    size = size_of_log(here)
    for accept in (HTML, JSON):
        answer = browser.get("/healthz", headers=accept)
        assert answer.get_json() == {"origin": ORIGIN, "published": size}


def test_the_demos_addresses_exist_in_the_demo_alone(browser: FlaskClient) -> None:
    assert browser.get("/demo/edge").status_code == 404
