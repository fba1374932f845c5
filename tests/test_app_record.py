"""The record page: a step that a person scans or types, signed by the platform in the name of his enterprise."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.translate import LANGUAGES
from tests.served import DAIRY_GLN, GTIN, HTML, JSON, OPERATOR, SHOP_GLN, World, csrf_token, problem, world
from trace.query import recent_steps

PLACE = f"https://id.gs1.org/414/{SHOP_GLN}"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("record") / "data") as running:
        yield running


@pytest.fixture
def browser(here: World) -> FlaskClient:
    return here.signed_in(OPERATOR)


def code(serial: str) -> str:
    return f"]d201{GTIN}21{serial}"


def scan(browser: FlaskClient, text: str, accept: dict[str, str] = JSON, **form: str) -> TestResponse:
    """As the page sends it, with or without its script."""
    token = csrf_token(browser.get("/enterprise/", headers=HTML))
    fields = {"csrf_token": token, "code": text, "biz_step": "receiving", "place": SHOP_GLN, **form}
    lang = fields.pop("lang", "zh")
    return browser.post(f"/enterprise/?lang={lang}", data=fields, headers=accept)


def steps(here: World, serial: str) -> list[dict[str, Any]]:
    """Steps in the proof of a unit; none while nothing is recorded."""
    here.services.publish_now()
    answer = here.visitor().get(f"/01/{GTIN}/21/{serial}/proof")
    return [] if answer.status_code == 404 else json.loads(answer.data)["steps"]


# ---- what is recorded -----------------------------------------------------------------------------


def test_a_scan_is_recorded_and_answered_for_the_script(here: World, browser: FlaskClient) -> None:
    answer = scan(browser, code("R1"))
    assert answer.status_code == 201
    told = answer.get_json()
    (step,) = steps(here, "R1")
    assert told == {
        "code": "R1",
        "step": "receiving",
        "product_name": "示例奶粉",
        "path": f"/01/{GTIN}/21/R1",
        "message": "",
        "outcome": "ok",
        "leaf_index": step["index"],
        "event_id": told["event_id"],
    }
    assert told["event_id"].startswith("urn:uuid:")


def test_the_same_page_works_as_a_plain_form(here: World, browser: FlaskClient) -> None:
    answer = scan(browser, code("R2"), HTML)
    assert answer.status_code == 201
    assert 'data-outcome="ok"' in answer.text
    assert f'href="/01/{GTIN}/21/R2' in answer.text, "the row leads to the public page"
    assert f'<option value="{SHOP_GLN}" selected>' in answer.text, "the place stays chosen"
    assert len(steps(here, "R2")) == 1


@pytest.mark.parametrize(
    ("lang", "words", "firm"),
    [
        ("zh", "这一步由平台代签，数据来自示例母婴生活馆", "示例母婴生活馆"),
        (
            "en",
            "Signed by the platform on behalf of Example Mother &amp; Child shop",
            "Example Mother &amp; Child shop",
        ),
    ],
)
def test_the_public_page_says_that_the_platform_signed(
    here: World, browser: FlaskClient, lang: str, words: str, firm: str
) -> None:
    scan(browser, code(f"P{lang}"))
    page = here.visitor().get(f"/01/{GTIN}/21/P{lang}?lang={lang}", headers=HTML)
    assert page.status_code == 200
    assert words in page.text
    assert firm in page.text


def test_a_step_of_a_device_does_not_say_so(here: World) -> None:
    here.record("D1")
    page = here.visitor().get(f"/01/{GTIN}/21/D1", headers=HTML)
    assert "这一步由平台代签" not in page.text


def test_the_payload_names_the_enterprise_and_keeps_what_was_received_secret(here: World, browser: FlaskClient) -> None:
    scan(browser, code("R3"))
    here.services.publish_now()
    text = here.visitor().get(f"/01/{GTIN}/21/R3/proof").text
    package = json.loads(text)
    assert package["steps"][0]["via"] == "self"
    assert "attests/received" not in text
    assert code("R3") not in text


@pytest.mark.parametrize(
    ("biz_step", "disposition"),
    [
        ("receiving", "in_progress"),
        ("storing", "in_progress"),
        ("shipping", "in_transit"),
        ("inspecting", "conformant"),
        ("retail_selling", "retail_sold"),
        ("dispensing", "dispensed"),
    ],
)
def test_every_step_that_can_be_chosen_is_recorded_with_its_disposition(
    here: World, browser: FlaskClient, biz_step: str, disposition: str
) -> None:
    answer = scan(browser, code(f"S-{biz_step}"), biz_step=biz_step).get_json()
    assert (answer["outcome"], answer["step"]) == ("ok", biz_step)
    with here.services.database.engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT biz_step, disposition, read_point FROM event WHERE leaf_index = ?", (answer["leaf_index"],)
        ).one()
    assert tuple(row) == (biz_step, disposition, PLACE)


def test_the_page_lists_the_newest_steps_first(here: World, browser: FlaskClient) -> None:
    for serial in ("L1", "L2"):
        scan(browser, code(serial))
    page = browser.get("/enterprise/", headers=HTML).text
    assert page.index("/21/L2") < page.index("/21/L1")


def test_codes_of_every_kind_are_taken_as_typed(browser: FlaskClient) -> None:
    for typed, path in (
        (f"(01){GTIN}(21)T1", f"/01/{GTIN}/21/T1"),
        (f"https://example.com/01/{GTIN}/10/LOT%2F9", f"/01/{GTIN}/10/LOT%2F9"),
        ("00195200000000000018", "/00/195200000000000018"),
        ("9900003 9000000000001", "/id/cn-drug/99000039000000000001"),
    ):
        answer = scan(browser, typed)
        assert (answer.status_code, answer.get_json()["path"]) == (201, path)


# ---- the same thing again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("zh", "11月20日08:00已在解放路店记录过这一步，没有再记。"),
        ("en", "This step was recorded at 20 Nov 2026, 08:00, Jiefang Road shop. It was not recorded again."),
    ],
)
def test_a_trigger_pressed_twice_records_once_and_says_where_and_when(
    here: World, browser: FlaskClient, lang: str, words: str
) -> None:
    first = scan(browser, code(f"TW{lang}")).get_json()
    here.clock.advance(seconds=2.4)
    second = scan(browser, code(f"TW{lang}"), lang=lang)
    assert second.status_code == 200
    told = second.get_json()
    assert (told["outcome"], told["message"]) == ("duplicate", words)
    for name in ("leaf_index", "event_id", "code", "path"):
        assert told[name] == first[name]
    assert len(steps(here, f"TW{lang}")) == 1
    page = scan(browser, code(f"TW{lang}"), HTML, lang=lang)
    assert page.status_code == 200
    assert 'data-outcome="duplicate"' in page.text
    assert words in page.text


def test_after_two_and_a_half_seconds_the_same_scan_is_the_next_step(here: World, browser: FlaskClient) -> None:
    first = scan(browser, code("AG")).get_json()
    here.clock.advance(seconds=2.5)
    second = scan(browser, code("AG")).get_json()
    assert (first["outcome"], second["outcome"]) == ("ok", "ok")
    assert [step["index"] for step in steps(here, "AG")] == [first["leaf_index"], second["leaf_index"]]


def test_another_step_of_the_same_thing_is_no_duplicate(here: World, browser: FlaskClient) -> None:
    assert scan(browser, code("OT")).get_json()["outcome"] == "ok"
    assert scan(browser, code("OT"), biz_step="retail_selling").get_json()["outcome"] == "ok"
    assert len(steps(here, "OT")) == 2


def test_a_step_of_another_party_is_no_duplicate(here: World, browser: FlaskClient) -> None:
    here.record("AP", step="receiving")
    assert scan(browser, code("AP")).get_json()["outcome"] == "ok"
    assert len(steps(here, "AP")) == 2


def test_the_same_thing_in_another_spelling_is_a_duplicate(here: World, browser: FlaskClient) -> None:
    scan(browser, code("SP"))
    again = scan(browser, f"https://example.com/01/{GTIN}/21/SP").get_json()
    assert again["outcome"] == "duplicate"
    assert len(steps(here, "SP")) == 1


def test_a_form_sent_eight_times_at_once_records_once(here: World) -> None:
    browsers = [here.signed_in(OPERATOR) for _ in range(8)]
    tokens = [csrf_token(each.get("/enterprise/", headers=HTML)) for each in browsers]
    outcomes: list[str] = []

    def send(browser: FlaskClient, token: str) -> None:
        fields = {"csrf_token": token, "code": code("EI"), "biz_step": "receiving", "place": SHOP_GLN}
        outcomes.append(browser.post("/enterprise/", data=fields, headers=JSON).get_json()["outcome"])

    threads = [threading.Thread(target=send, args=pair) for pair in zip(browsers, tokens, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate"] * 7 + ["ok"]
    assert len(steps(here, "EI")) == 1


# ---- what bad input gets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            {"code": "]E09520000000029"},
            "check digit is 9, computed 8",
        ),
        ({"code": ""}, "text '': nothing was read."),
        ({"code": "HELLO"}, "HELLO"),
        ({"code": code("X"), "biz_step": "destroying"}, "biz_step 'destroying': expected one of receiving, storing, "),
        ({"code": code("X"), "biz_step": ""}, "biz_step '': expected one of receiving, storing, "),
        (
            {"code": code("X"), "place": DAIRY_GLN},
            f"place '{DAIRY_GLN}': expected one of your own, {SHOP_GLN}",
        ),
        ({"code": code("X"), "place": ""}, f"place '': expected one of your own, {SHOP_GLN}"),
        ({"code": "\x00\x1d\x1b[31m"}, "no such application identifier"),
        ({"code": "]d201" + GTIN + "21" + "9" * 5000}, "21"),
    ],
    ids=["check digit", "empty", "foreign text", "step", "no step", "place", "no place", "control", "long"],
)
def test_what_cannot_be_recorded_is_named_and_nothing_is_recorded(
    here: World, browser: FlaskClient, form: dict[str, str], message: str
) -> None:
    with here.services.reading() as session:
        before = recent_steps(session, here.services.log, "5a" * 16, 1000)
    text = form.pop("code")
    answer = scan(browser, text, JSON, **form)
    assert answer.status_code == 400
    told = answer.get_json()
    assert (told["outcome"], told["path"]) == ("unread", None)
    assert message in told["message"]
    page = scan(browser, text, HTML, **form)
    assert page.status_code == 400
    assert 'data-outcome="unread"' in page.text
    with here.services.reading() as session:
        assert recent_steps(session, here.services.log, "5a" * 16, 1000) == before


def test_markup_in_a_code_is_text(browser: FlaskClient) -> None:
    page = scan(browser, "<script>alert(1)</script>", HTML)
    assert page.status_code == 400
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_scan_without_an_answer_is_503_and_scanned_again_it_is_recorded_once(
    here: World, browser: FlaskClient, lang: str
) -> None:
    token = csrf_token(browser.get("/enterprise/", headers=HTML))
    fields = {"csrf_token": token, "code": code(f"DOWN{lang}"), "biz_step": "receiving", "place": SHOP_GLN}
    here.services.sequencer.stop()
    try:
        answer = browser.post(f"/enterprise/?lang={lang}", data=fields, headers=JSON)
        page = browser.post(f"/enterprise/?lang={lang}", data=fields, headers=HTML)
    finally:
        here.services.sequencer.start()
    assert problem(answer)["status"] == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert page.status_code == 503
    assert {"zh": "暂时查不了", "en": "Cannot check right now"}[lang] in page.text
    here.clock.advance(seconds=20)
    again = browser.post("/enterprise/", data=fields, headers=JSON)
    # What was signed for the first request was still to be sent: the log has it once, and the person learns so.
    assert (again.status_code, again.get_json()["outcome"]) == (200, "duplicate")
    assert len(steps(here, f"DOWN{lang}")) == 1
