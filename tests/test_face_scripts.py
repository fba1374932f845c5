"""The page scripts in a real browser. No server: every request is answered by the test itself."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template
from playwright.sync_api import Browser, Page, Route, sync_playwright

from app import translate
from app.public import present
from app.site import Site
from tests import samples
from tests.conftest import missing
from trace.supervision.verdict import VerdictCode

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ORIGIN = "http://localhost"
"""Never reached; a secure context to the browser."""

# Interface guide, section 5: tones as (Hz, ms, gap ms), and vibration.
SIGNALS = {
    "ok": ([[2093, 90, 0]], [60]),
    "complete": ([[1568, 70, 20], [2093, 70, 20], [2637, 120, 0]], [60, 40, 60, 40, 120]),
    "duplicate": ([[1568, 50, 60], [1568, 50, 0]], [50, 60, 50]),
    "caution": ([[1175, 160, 100], [1175, 160, 0]], [160, 100, 160]),
    "stop": ([[988, 180, 0], [740, 180, 0]] * 3, [400, 120, 400, 120, 400]),
    "kept": ([[2093, 90, 40], [1047, 90, 0]], [60, 40, 30]),
    "unread": ([[392, 240, 0]], [250]),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        missing("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("app", root_path=str(ROOT / "app"))
    translate.set_up(app)
    app.jinja_env.globals.update(csrf_token=lambda: "token", site=Site(), ledger={"origin": "o", "log_key": "k"})
    return app


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose static files come from the checkout; errors of scripts fail the test."""
    context = browser.new_context(viewport={"width": 360, "height": 640})
    context.set_default_timeout(10_000)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    static = ROOT / "app" / "static"
    opened.route("**/*", lambda route: route.fulfill(status=404))
    opened.route("**/static/*", lambda route: route.fulfill(path=static / route.request.url.rsplit("/", 1)[1]))
    yield opened
    context.close()
    assert errors == []


# ---- signals ------------------------------------------------------------------------------------


def test_signals_are_those_of_the_guide(page: Page) -> None:
    page.route(f"{ORIGIN}/", lambda route: route.fulfill(content_type="text/html", body="<title>x</title>"))
    page.goto(ORIGIN)
    table = page.evaluate("async () => (await import('/static/signals.js')).SIGNALS")
    assert {name: (one["tones"], one["vibration"]) for name, one in table.items()} == SIGNALS


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_sounds_for_its_length_and_starts_at_once(page: Page, name: str) -> None:
    page.route(f"{ORIGIN}/", lambda route: route.fulfill(content_type="text/html", body="<title>x</title>"))
    page.goto(ORIGIN)
    # Bursts of sound, apart by at least 15 ms of silence, as [start, end] in milliseconds.
    bursts = page.evaluate(
        """async (name) => {
            const { schedule } = await import('/static/signals.js');
            const context = new OfflineAudioContext(1, 2 * 44100, 44100);
            schedule(name, context, 0);
            const samples = (await context.startRendering()).getChannelData(0);
            const found = [];
            samples.forEach((value, at) => {
                if (Math.abs(value) < 0.02) return;
                const ms = at / 44.1;
                const last = found[found.length - 1];
                if (last && ms - last[1] < 15) last[1] = ms; else found.push([ms, ms]);
            });
            return found;
        }""",
        name,
    )
    tones, _ = SIGNALS[name]
    assert len(bursts) == 1 + sum(gap > 15 for _, _, gap in tones)
    assert bursts[0][0] < 100
    assert bursts[-1][1] == pytest.approx(sum(length + gap for _, length, gap in tones), abs=5)


# ---- the record page ----------------------------------------------------------------------------


@pytest.fixture
def posted() -> list[str]:
    return []


@pytest.fixture
def record(page: Page, app: Flask, posted: list[str]) -> Page:
    """The record page; the last character of a code says what the server answers."""
    with app.test_request_context("/record?lang=zh"):
        html = render_template(
            "enterprise/record.html",
            steps=[("receiving", "step.receiving"), ("shipping", "step.shipping")],
            places=[{"gln": "9520000000158", "name_zh": "东渡店", "name_en": "Dongdu shop"}],
            party={"name_zh": "示例企业", "name_en": "Example"},
            last=None,
            recent=[],
        )

    def answer(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(content_type="text/html", body=html)
            return
        assert route.request.headers["accept"] == "application/json"
        body = str(route.request.post_data)
        code = body.split('name="code"')[1].split("\r\n")[2]
        posted.append(code)
        if code.endswith("X"):
            route.abort()
        elif code.endswith("Y"):
            route.fulfill(status=409, json={"title": "Conflict", "detail": "已在别处记录。"})
        else:
            outcome = {"D": "duplicate", "S": "stop"}.get(code[-1], "ok")
            route.fulfill(json=samples.answer(outcome, code=code))

    page.route(f"{ORIGIN}/record*", answer)
    page.goto(f"{ORIGIN}/record?lang=zh")
    page.wait_for_selector("html.scripted")
    return page


BURST = """(code) => { for (const key of code) {
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    document.execCommand("insertText", false, key);
} }"""


def burst(page: Page, code: str) -> None:
    """Keys without a pause between them. Typed from outside they would be as slow as this machine is busy."""
    page.evaluate(BURST, code)


def scan(page: Page, code: str, end: str = "Enter") -> None:
    """As a scanner in keyboard mode does."""
    burst(page, code)
    page.keyboard.press(end)


def test_a_scan_is_sent_and_answered_without_leaving_the_page(record: Page, posted: list[str]) -> None:
    assert record.evaluate("document.activeElement.name") == "code"
    scan(record, "CODE0001")
    record.wait_for_selector("#last .answer.ok")
    assert posted == ["CODE0001"]
    assert "已记录" in record.inner_text("#last")
    assert "…E0001" in record.inner_text("#last")
    assert record.locator(".done li.ok").count() == 1
    assert record.input_value(".scan-field") == ""


def test_scans_faster_than_answers_are_all_sent_in_order(record: Page, posted: list[str]) -> None:
    codes = [f"CODE000{n}" for n in range(8)]
    for code in codes:
        scan(record, code)
    record.wait_for_function("document.querySelectorAll('.done li').length === 8")
    assert posted == codes


def test_the_same_code_twice_in_one_trigger_pull_is_sent_once(record: Page, posted: list[str]) -> None:
    # In one turn of the browser, so that the time between them does not depend on this machine.
    record.evaluate(
        """(codes) => codes.forEach((code) => {
            const field = document.querySelector(".scan-field");
            field.value = code;
            field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
        })""",
        ["CODE0001", "CODE0001", "CODE0002"],
    )
    record.wait_for_function("document.querySelectorAll('.done li').length === 2")
    assert posted == ["CODE0001", "CODE0002"]


def test_a_separator_arrives_however_the_scanner_spells_it(record: Page, posted: list[str]) -> None:
    for number, spelling in enumerate(("{GS}", "<GS>", "~029", "␝")):
        scan(record, f"10LOT{number}{spelling}21AB")
    burst(record, "10L4")  # too short to be taken for a whole scan while the next key is on its way
    record.keyboard.press("Control+BracketRight")
    scan(record, "21AB")
    record.wait_for_function("document.querySelectorAll('.done li').length === 5")
    assert posted == [*(f"10LOT{number}\x1d21AB" for number in range(4)), "10L4\x1d21AB"]


def test_full_width_characters_are_folded_and_the_person_is_told(record: Page, posted: list[str]) -> None:
    record.keyboard.insert_text("ＣＯＤＥ０００１。")
    record.keyboard.press("Enter")
    record.wait_for_selector("#last .answer.ok")
    assert posted == ["CODE0001."]
    assert record.is_visible("[data-notice=folded]")


def test_a_stop_takes_the_screen_and_a_scanners_enter_does_not_close_it(record: Page, posted: list[str]) -> None:
    scan(record, "CODE000S")
    record.wait_for_selector("dialog[open]")
    assert "已召回（一级），请放隔离区。" in record.inner_text("dialog")
    scan(record, "CODE0002")
    assert record.locator("dialog[open]").count() == 1
    assert posted == ["CODE000S"]
    # Heard after the page's own listener. Chromium gives the focus back a moment before, and without the caret.
    record.evaluate(
        "() => { window.closed = new Promise((done) =>"
        " document.querySelector('dialog').addEventListener('close', () => done(true))); }"
    )
    # A tap, not Escape, for that is what loses the caret.
    record.click("dialog button")
    record.evaluate("window.closed")
    record.wait_for_function("document.activeElement.name === 'code'")
    scan(record, "CODE0003")
    record.wait_for_selector("#last .answer.ok")
    assert posted == ["CODE000S", "CODE0003"]


def test_a_scan_without_an_answer_is_never_shown_as_recorded(record: Page) -> None:
    scan(record, "CODE000X")
    record.wait_for_selector("#last .answer.caution")
    assert "没有网络，这一步没有记录。联网后请再扫一次。" in record.inner_text("#last")
    assert record.locator(".done li.ok").count() == 0


def test_a_refusal_shows_the_servers_words(record: Page) -> None:
    scan(record, "CODE000Y")
    record.wait_for_selector("#last .answer.caution")
    assert "已在别处记录。" in record.inner_text("#last")


def test_night_is_kept_on_the_device(record: Page) -> None:
    record.click("[data-theme-switch]")
    assert record.evaluate("document.documentElement.dataset.theme") == "night"
    record.reload()
    record.wait_for_selector("html.scripted")
    assert record.evaluate("document.documentElement.dataset.theme") == "night"


# ---- small phones, long names -------------------------------------------------------------------


@pytest.mark.parametrize("language", translate.LANGUAGES)
def test_long_names_stay_inside_a_phone_of_320_pixels(page: Page, app: Flask, language: str) -> None:
    long = {"signer_zh": "示例" * 30, "signer_en": "Example " * 15}
    story = samples.story(
        VerdictCode.RECALLED,
        product=replace(samples.MILK, name_zh="乳粉" * 20, name_en="W" * 120),
        lot="W" * 20,
        hops=tuple(replace(hop, **long) for hop in samples.journey() * 6),
    )
    with app.test_request_context(f"/?lang={language}"):
        html = render_template("public/result.html", page=present.present(story, samples.NOW, language))
    page.route(f"{ORIGIN}/", lambda route: route.fulfill(content_type="text/html", body=html))
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(ORIGIN)
    page.click("main details summary")
    assert page.evaluate("innerWidth") == 320
    wide = """[...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > 321)
        .map((one) => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(wide) == []


# ---- the proof panel ----------------------------------------------------------------------------


@pytest.fixture
def prove(page: Page, app: Flask) -> Callable[..., Page]:
    """Opens a result page of seven steps with a verifier that answers as told, and waits for the panel."""

    def opened(answer: dict[str, Any] | None, status: int = 200) -> Page:
        with app.test_request_context("/?lang=zh"):
            html = render_template("public/result.html", page=present.present(samples.story(), samples.NOW, "zh"))
        page.route(f"{ORIGIN}/", lambda route: route.fulfill(content_type="text/html", body=html))
        page.route("**/CG0001842/proof", lambda route: route.fulfill(status=status, json={}))
        if answer is not None:
            script = f"export async function verifyPackage() {{ return {json.dumps(answer)}; }}"
            page.route("**/static/verify.js", lambda route: route.fulfill(content_type="text/javascript", body=script))
        else:
            page.route("**/static/verify.js", lambda route: route.abort())
        page.goto(ORIGIN)
        page.locator("#proof").scroll_into_view_if_needed()
        page.wait_for_selector(":is([data-answer=valid], [data-answer=invalid], [data-answer=unchecked]):not([hidden])")
        return page

    return opened


def test_a_proof_that_holds_says_what_was_proven_and_what_was_not(prove: Callable[..., Page]) -> None:
    page = prove({"outcome": "valid", "checks": [], "steps": 7, "attested": 0})
    said = page.inner_text("#proof")
    assert "凭证已在您的手机上核对" in said
    assert "7步记录都在公开账本里，位置没有变过" in said
    assert "每一步都由当时扫码的设备签名" in said
    assert "不能证明：包装里的东西没有被调换" in said
    assert "由平台代签" not in said


def test_steps_that_the_platform_signed_are_not_called_signed_by_devices(prove: Callable[..., Page]) -> None:
    said = prove({"outcome": "valid", "checks": [], "steps": 7, "attested": 1}).inner_text("#proof")
    assert "有的步由平台代签，数据来自示例云桥石溪奶牛养殖专业合作社" in said
    assert "每一步都由当时扫码的设备签名" not in said


def test_a_proof_of_fewer_steps_than_the_page_shows_does_not_pass_for_all(prove: Callable[..., Page]) -> None:
    said = prove({"outcome": "valid", "checks": [], "steps": 5, "attested": 0}).inner_text("#proof")
    assert "核对了5步，本页有7步" in said
    assert "7步记录都在公开账本里" not in said


def test_a_proof_that_fails_is_said_above_the_verdict_too(prove: Callable[..., Page]) -> None:
    failed = {"id": "chain", "ok": False, "detail": "entry 3: expected ord 3, got 4"}
    page = prove({"outcome": "invalid", "checks": [failed], "steps": 0, "attested": 0})
    assert page.inner_text("#proof-bad") == "凭证对不上，请不要依赖本页"
    assert "凭证对不上，请不要依赖本页" in page.inner_text("#proof")
    page.click("#proof summary")
    assert "chain: failed - entry 3: expected ord 3, got 4" in page.inner_text("#proof details")


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"outcome": "unchecked", "checks": []}, 200), ({"outcome": "valid"}, 503), (None, 200), ({"outcome": "?"}, 200)],
    ids=["verifier cannot", "no package", "no verifier", "unknown outcome"],
)
def test_what_could_not_be_checked_is_neither_true_nor_false(
    prove: Callable[..., Page], answer: dict[str, Any] | None, status: int
) -> None:
    page = prove(answer, status)
    said = page.inner_text("#proof")
    assert "这里没法核对" in said
    assert "已在您的手机上核对" not in said
    assert "对不上" not in page.inner_text("body")
    assert page.is_visible("[data-check]")
