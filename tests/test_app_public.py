"""Pages for everybody, as browsers, programs and strangers ask for them (controls C46, C60)."""

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import zxingcpp
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from app.access.rules import anybody
from app.translate import LANGUAGES
from scanners.camera import IMAGE_LIMIT_BYTES
from tests.served import GTIN, HTML, JSON, World, problem, unpublished_world, world

PUBLIC = ("/", "/search?code=none", f"/01/{GTIN}/21/A1", f"/01/{GTIN}/21/NEVER", f"/01/{GTIN}/21/A1/proof", "/id/x")
ERRORS = {
    "zh": {400: "这个请求看不懂", 404: "没有这一页", 405: "这个地址不能这样用", 413: "内容太大", 500: "系统出错"},
    "en": {
        400: "This request cannot be read",
        404: "There is no such page",
        405: "This address cannot be used like this",
        413: "Too much was sent",
        500: "Something failed and was recorded",
    },
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("public") / "data") as running:
        running.record("A1")
        running.services.publish_now()
        yield running


@pytest.fixture
def browser(here: World) -> FlaskClient:
    return here.visitor()


# ---- methods and headers ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/search", f"/01/{GTIN}/21/A1", "/00/1", "/id/x/y", "/checkpoint", "/healthz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_reading_addresses_take_get_and_head_alone(browser: FlaskClient, path: str, method: str) -> None:
    answer = browser.open(path, method=method, headers=JSON)
    assert answer.status_code == 405
    assert {each.strip() for each in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}
    assert problem(answer)["title"] == "Method Not Allowed"


@pytest.mark.parametrize("path", PUBLIC)
def test_head_answers_as_get_without_a_body(browser: FlaskClient, path: str) -> None:
    head, get = browser.head(path, headers=HTML), browser.get(path, headers=HTML)
    assert (head.status_code, head.mimetype, head.data) == (get.status_code, get.mimetype, b"")


@pytest.mark.parametrize("path", [*PUBLIC, "/checkpoint", "/healthz", "/static/tokens.css", "/nothing/here"])
@pytest.mark.parametrize("accept", [HTML, JSON], ids=["browser", "program"])
def test_pages_for_everybody_set_no_cookie(browser: FlaskClient, path: str, accept: dict[str, str]) -> None:
    with browser.get(path, headers=accept) as answer:
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in (*PUBLIC, "/login", "/enterprise/", "/static/tokens.css", "/static/none.css")),
        ("GET", "/checkpoint"),
        ("POST", "/capture"),
        ("POST", "/login"),
        ("DELETE", "/"),
        ("OPTIONS", "/"),
        ("GET", "/fails"),
    ],
)
def test_every_answer_carries_the_security_headers(here: World, method: str, path: str) -> None:
    with here.visitor(failing(here)).open(path, method=method, headers=HTML) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in headers


def test_a_foreign_origin_gets_no_leave_to_read(browser: FlaskClient) -> None:
    answer = browser.get("/", headers={**HTML, "Origin": "https://evil.example"})
    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


# ---- errors, for people and for programs ----------------------------------------------------------------


def failing(here: World) -> Flask:
    app = here.fresh_app()

    def fails() -> str:
        raise RuntimeError("SELECT secret FROM place_of_secrets")

    app.add_url_rule("/fails", view_func=anybody(fails), endpoint="fails")
    return app


def provoke(browser: FlaskClient, status: int, accept: dict[str, str], lang: str) -> TestResponse:
    match status:
        case 400:
            return browser.post(f"/search/photo?lang={lang}", headers=accept)
        case 404:
            return browser.get(f"/nothing/here?lang={lang}", headers=accept)
        case 405:
            return browser.delete(f"/?lang={lang}", headers=accept)
        case 413:
            return send_photo(browser, bytes(13 * 1024 * 1024), accept, lang)
    return browser.get(f"/fails?lang={lang}", headers=accept)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("status", ERRORS["zh"])
def test_an_error_is_a_page_for_people_in_their_language(here: World, status: int, lang: str) -> None:
    answer = provoke(here.visitor(failing(here)), status, HTML, lang)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert f'<h1 id="verdict">{ERRORS[lang][status]}' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("accept", [JSON, {"Accept": "application/problem+json"}, {"Accept": "*/*"}, {}])
@pytest.mark.parametrize("status", ERRORS["zh"])
def test_an_error_is_problem_details_for_programs(here: World, status: int, accept: dict[str, str]) -> None:
    answer = provoke(here.visitor(failing(here)), status, accept, "zh")
    assert problem(answer)["status"] == status


@pytest.mark.parametrize("accept", [HTML, JSON], ids=["browser", "program"])
def test_what_nobody_foresaw_is_500_with_a_number_that_the_log_has_and_nothing_else(
    here: World, accept: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = here.visitor(failing(here)).get("/fails?lang=en", headers=accept)
    assert answer.status_code == 500
    found = re.search(r"\b[0-9a-f]{8}\b", problem(answer)["detail"] if accept is JSON else answer.text)
    assert found
    (record,) = [each for each in caplog.records if each.name == "app.problems"]
    assert record.getMessage() == f"incident {found[0]}"
    assert record.exc_info is not None and "place_of_secrets" in str(record.exc_info[1])
    for word in ("secret", "SELECT", "RuntimeError", "Traceback", "app/", ".py"):
        assert word not in answer.text
    if accept is JSON:
        assert problem(answer)["detail"] == f"incident {found[0]}"


def test_an_unknown_code_is_a_page_for_people_and_a_problem_for_programs(browser: FlaskClient) -> None:
    for path in (f"/01/{GTIN}/21/NEVER", f"/search?code=(01){GTIN}(21)NEVER"):
        page = browser.get(path, headers=HTML, follow_redirects=True)
        assert page.status_code == 404
        assert "没有查到这个码" in page.text
        answer = browser.get(path, headers=JSON, follow_redirects=True)
        assert problem(answer)["detail"] == "code 'NEVER': nothing is recorded under it"


def test_a_code_with_a_wrong_digit_is_told_which(browser: FlaskClient) -> None:
    for path in ("/search?code=9520000000029", "/01/09520000000029/21/A1"):
        page = browser.get(path, headers=HTML)
        assert page.status_code == 404
        assert "check digit" in page.text
        assert "computed 8" in problem(browser.get(path, headers=JSON))["detail"]


# ---- Digital Link addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serial", "address"),
    [
        ("S/1", "S%2F1"),
        ("S%1", "S%251"),
        ("S%2F1", "S%252F1"),
        ("S//1", "S%2F%2F1"),
        ("S?1", "S%3F1"),
        ("S+1", "S+1"),
        ("S&1=2", "S&1=2"),
        ("S'\"<>", "S'%22%3C%3E"),
        ("S;1", "S;1"),
        ("..", "%2e%2e"),
    ],
)
def test_a_serial_number_of_any_characters_has_its_page(
    here: World, browser: FlaskClient, serial: str, address: str
) -> None:
    here.record(serial)
    answer = browser.get(f"/01/{GTIN}/21/{address}", headers=HTML)
    assert answer.status_code == 200
    here.services.publish_now()
    package = browser.get(f"/01/{GTIN}/21/{address}/proof")
    assert package.status_code == 200
    assert browser.get(package.get_json(force=True)["path"], headers=HTML).status_code == 200
    led = browser.get("/search", query_string={"code": f"(01){GTIN}(21){serial}"}, headers=HTML)
    assert led.status_code == 303
    assert browser.get(led.location, headers=HTML).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/01/",
        "/01//",
        f"/01/{GTIN}/",
        f"/01/{GTIN}/21/",
        f"/01/{GTIN}/21//",
        f"/01/{GTIN}//21/A1",
        f"//01/{GTIN}/21/A1",
        f"/01/{GTIN}/21/%",
        f"/01/{GTIN}/21/%zz",
        f"/01/{GTIN}/21/%00",
        f"/01/{GTIN}/21/%0d%0aSet-Cookie:x=y",
        f"/01/{GTIN}/21/%ff%fe",
        f"/01/{GTIN}/21/%ed%a0%80",
        f"/01/{GTIN}/21/溯源",
        f"/01/{GTIN}/21/%E2%80%AE",
        f"/01/{GTIN}/21/" + "9" * 8000,
        f"/01/{GTIN}/21/" + "/" * 2000,
        f"/01/{GTIN}/21/A1/proof/proof",
        "/01/proof",
        "/01//proof",
        "/01/..%2f..%2fetc%2fpasswd",
        "/00/18",
        "/00/%F0%9F%90%96",
        "/id/",
        "/id/cn-drug/",
        "/id/cn-drug/٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣٣",
        "/id/" + "x" * 5000,
        "/id///",
        "/static/../settings.py",
        "/static/%2e%2e/settings.py",
        "/search?code=%00%1d%1b",
        "/search?code=" + "%F0%9F%90%96" * 100,
        "/search?code=" + "(01)" * 100,
        "/search?lang=%00&code=%ff",
        "/search",
    ],
)
def test_an_odd_address_is_not_found_and_never_an_error_of_ours(browser: FlaskClient, path: str) -> None:
    for accept in (HTML, JSON):
        answer = browser.get(path, headers=accept)
        assert answer.status_code == 404, answer.text
        assert "Set-Cookie" not in answer.headers
        assert len(answer.data) <= 12 * 1024


def test_a_page_is_under_12_kilobytes(browser: FlaskClient) -> None:
    for path in PUBLIC[:4]:
        assert len(browser.get(path, headers=HTML, follow_redirects=True).data) <= 12 * 1024


# ---- the proof --------------------------------------------------------------------------------------------


def test_the_proof_is_a_file_with_the_name_of_the_thing(browser: FlaskClient) -> None:
    answer = browser.get(f"/01/{GTIN}/21/A1/proof")
    assert answer.mimetype == "application/vnd.suyuan.proof.v1+json"
    assert answer.headers["Content-Disposition"] == f"attachment; filename=proof-01-{GTIN}-21-A1.json"
    assert answer.get_json(force=True)["format"] == "suyuan-proof/v1"


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        (f"/01/{GTIN}/21/NEVER/proof", "nothing is recorded under this code, so there is no proof"),
        ("/01/09520000000029/21/A1/proof", "check digit is 9, computed 8"),
    ],
)
def test_there_is_no_proof_of_what_is_not_recorded(browser: FlaskClient, path: str, detail: str) -> None:
    told = problem(browser.get(path))
    assert told["status"] == 404
    assert detail in told["detail"]


def test_a_step_that_no_checkpoint_covers_yet_has_its_page_and_its_proof_a_little_later(tmp_path: Path) -> None:
    with unpublished_world(tmp_path / "data") as here:
        here.record("NEW")
        browser = here.visitor()
        none = browser.get("/checkpoint")
        assert (none.status_code, none.headers["Retry-After"]) == (503, "2")
        assert problem(none)["detail"] == "nothing is published yet"
        assert browser.get("/healthz").get_json() == {"origin": "suyuan.yunqiao.example", "published": 0}
        here.services.publish_now()
        assert browser.get(f"/01/{GTIN}/21/NEW/proof").status_code == 200

        here.record("NEW", step="shipping")
        page = browser.get(f"/01/{GTIN}/21/NEW", headers=HTML)
        assert page.status_code == 200
        answer = browser.get(f"/01/{GTIN}/21/NEW/proof")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert problem(answer)["detail"] == "the newest step is recorded but not yet in a signed checkpoint"
        here.services.publish_now()
        package = browser.get(f"/01/{GTIN}/21/NEW/proof").get_json(force=True)
        assert len(package["steps"]) == 2


# ---- a photo -----------------------------------------------------------------------------------------------


def photo_of(content: str | None) -> bytes:
    """A PNG with a QR Code, or a grey one."""
    picture = Image.new("L", (300, 300), 128)
    if content is not None:
        made = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode)
        pixels = memoryview(made.to_image(scale=4, add_quiet_zones=True))  # type: ignore[arg-type]
        height, width = pixels.shape
        picture = Image.frombytes("L", (width, height), pixels.tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def send_photo(browser: FlaskClient, data: bytes, accept: dict[str, str] = HTML, lang: str = "zh") -> TestResponse:
    # Put together by hand: Flask's client would leave its temporary file of a large form open.
    head = b'--cut\r\nContent-Disposition: form-data; name="photo"; filename="photo.png"\r\n\r\n'
    kind = "multipart/form-data; boundary=cut"
    body = head + data + b"\r\n--cut--\r\n"
    return browser.post(f"/search/photo?lang={lang}", data=body, content_type=kind, headers=accept)


def test_a_photo_of_a_code_leads_to_its_page(browser: FlaskClient) -> None:
    answer = send_photo(browser, photo_of(f"https://id.gs1.org/01/{GTIN}/21/A1"))
    assert (answer.status_code, answer.location) == (303, f"/01/{GTIN}/21/A1?lang=zh")
    assert browser.get(answer.location, headers=HTML).status_code == 200
    assert "Set-Cookie" not in answer.headers


def test_a_photo_of_a_foreign_code_says_that_it_is_not_found(browser: FlaskClient) -> None:
    answer = send_photo(browser, photo_of("https://example.com/menu"))
    assert answer.status_code == 404
    assert "没有查到这个码" in answer.text


@pytest.mark.parametrize(("lang", "words"), [("zh", "照片上没有找到码"), ("en", "No code was found on the photo")])
def test_a_photo_without_a_code_says_so_and_takes_another(browser: FlaskClient, lang: str, words: str) -> None:
    answer = send_photo(browser, photo_of(None), lang=lang)
    assert answer.status_code == 404
    assert words in answer.text
    assert 'name="photo"' in answer.text
    told = problem(send_photo(browser, photo_of(None), JSON))
    assert (told["status"], told["detail"]) == (404, "photo: no code was found on it")


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n" + bytes(40), photo_of("A")[:-60]],
    ids=["empty", "GIF", "SVG", "header", "cut"],
)
def test_what_is_no_picture_is_refused_with_what_was_expected(browser: FlaskClient, data: bytes) -> None:
    told = problem(send_photo(browser, data, JSON))
    assert told["status"] == 400
    assert "expected" in told["detail"] and "PNG" in told["detail"]
    assert send_photo(browser, data).status_code == 400


def test_a_form_without_a_photo_is_told_what_to_send(browser: FlaskClient) -> None:
    told = problem(browser.post("/search/photo", headers=JSON))
    assert (told["status"], told["detail"]) == (400, "photo: expected an image file")


def test_a_photo_over_10_megabytes_is_refused_with_the_limit(browser: FlaskClient) -> None:
    told = problem(send_photo(browser, bytes(IMAGE_LIMIT_BYTES + 1), JSON))
    assert told["status"] in (400, 413)
    assert told["detail"] == f"image of {IMAGE_LIMIT_BYTES + 1} bytes: at most {IMAGE_LIMIT_BYTES}"
    page = send_photo(browser, bytes(IMAGE_LIMIT_BYTES + 1), lang="en")
    assert str(IMAGE_LIMIT_BYTES) in page.text
