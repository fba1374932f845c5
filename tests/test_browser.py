"""A person with a browser: scans, records, looks up, checks the proof. Debian's chromium, through Playwright."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from tests.conftest import missing
from tests.running import RunningDemo, running_demo, wait_until

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 390, "height": 844}
HANDHELD = {"width": 360, "height": 640}
DESK = {"width": 1440, "height": 900}
ANSWERS = ("valid", "invalid", "unchecked")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        missing("/usr/bin/chromium (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Any]:
    """`new_page(viewport)`; a script error on any page fails the test."""
    contexts, errors = [], []

    def make(viewport: dict[str, int], **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, locale="zh-CN", **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


def sign_in(page: Any, demo: RunningDemo, account: str, path: str) -> None:
    page.goto(f"{demo.url}{path}")
    page.fill("#username", account)
    page.fill("#password", demo.password(account))
    page.click("main button")
    page.wait_for_url(f"{demo.url}{path}*")


def wedge(page: Any, code: str) -> None:
    """Type as a keyboard-wedge scanner does: fast, Enter behind it."""
    page.locator(".scan-field").press_sequentially(code, delay=2)
    page.keyboard.press("Enter")


def answer_of_the_proof_panel(page: Any) -> str:
    page.locator("#proof").scroll_into_view_if_needed()
    page.wait_for_selector(", ".join(f"#proof [data-answer={answer}]:not([hidden])" for answer in ANSWERS))
    return next(answer for answer in ANSWERS if page.is_visible(f"#proof [data-answer={answer}]"))


def test_a_scan_is_recorded_looked_up_and_its_proof_verified_in_the_browser(demo: RunningDemo, new_page: Any) -> None:
    receipt = demo.scan("]d201095200000000351729123110LOT7<GS>21BROWSER")
    page = new_page(PHONE)
    page.goto(f"{demo.url}/")
    page.fill("#code", "(01)09520000000035(21)BROWSER")
    page.click("main button >> nth=0")
    page.wait_for_url("**/01/09520000000035/21/BROWSER*")
    assert "阿莫西林胶囊" in page.inner_text("main")
    assert answer_of_the_proof_panel(page) == "valid"
    assert "1步记录都在公开账本里" in page.inner_text("#proof").replace(" ", "").replace("\u2009", "")
    assert receipt["leaf_index"] > 0


def test_every_story_of_the_city_verifies_in_the_browser(demo: RunningDemo, new_page: Any) -> None:
    page = new_page(PHONE)
    for path in (
        "/01/09520000000028/21/88000001",
        "/01/09520000000059/21/C1",
        "/01/09520000000066/10/VEG-20261120-01",
        "/01/09520000000011/21/A0001",
        "/id/cn-drug/99000039000000000001",
        "/id/cn-drug/99000049000000000001",
        "/00/195200000000000018",
    ):
        page.goto(f"{demo.url}{path}")
        assert answer_of_the_proof_panel(page) == "valid", path


@pytest.mark.parametrize("part", ["payload", "signature", "leaf", "path", "disclosure", "checkpoint"])
def test_the_browser_refuses_a_proof_with_one_byte_changed(demo: RunningDemo, new_page: Any, part: str) -> None:
    """The served package is changed on its way, as a lying server or a changed row would."""

    def change(route: Any) -> None:
        package = json.loads(route.fetch().body())
        entry = package["entries"][-1]
        if part == "payload":
            entry["envelope"]["payload"] = flipped(entry["envelope"]["payload"])
        elif part == "signature":
            entry["envelope"]["signatures"][0]["sig"] = flipped(entry["envelope"]["signatures"][0]["sig"])
        elif part == "leaf":
            entry["leaf"] = entry["leaf"].replace("rcv 1", "rcv 2")
        elif part == "path":
            entry["path"][0] = flipped(entry["path"][0])
        elif part == "disclosure":
            entry["disclosures"][0] = flipped(entry["disclosures"][0])
        else:
            origin, size, rest = package["checkpoint"].split("\n", 2)
            package["checkpoint"] = f"{origin}\n{int(size) + 1}\n{rest}"
        route.fulfill(body=json.dumps(package), content_type="application/json")

    page = new_page(PHONE)
    page.route("**/proof", change)
    page.goto(f"{demo.url}/01/09520000000028/21/88000001")
    assert answer_of_the_proof_panel(page) == "invalid"
    assert "凭证对不上" in page.inner_text("main")


def flipped(text: str) -> str:
    at = len(text) // 2
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def test_a_byte_changed_in_the_stored_envelope_is_seen_by_the_browser(
    tmp_path: Path, browser: Any, new_page: Any
) -> None:
    """The row itself is changed on disk, under the running server, as an insider with full rights would."""
    with running_demo(tmp_path) as demo:
        page = new_page(PHONE)
        page.goto(f"{demo.url}/01/09520000000059/21/C1")
        assert answer_of_the_proof_panel(page) == "valid"
        database = sqlite3.connect(demo.data / "suyuan.sqlite", timeout=30)
        database.execute("DROP TRIGGER envelope_no_update")
        (at,) = database.execute("SELECT max(leaf_index) FROM event WHERE biz_step = 'disassembling'").fetchone()
        (payload,) = database.execute("SELECT payload FROM envelope WHERE leaf_index = ?", (at,)).fetchone()
        changed = payload.replace(b'"bizStep":"disassembling"', b'"bizStep":"disassemblinG"')
        assert changed != payload
        database.execute("UPDATE envelope SET payload = ? WHERE leaf_index = ?", (changed, at))
        database.commit()
        database.close()
        page.goto(f"{demo.url}/01/09520000000059/21/C1")
        assert answer_of_the_proof_panel(page) == "invalid"


def test_where_the_context_is_not_secure_it_says_that_it_could_not_check(demo: RunningDemo, new_page: Any) -> None:
    page = new_page(PHONE)
    page.add_init_script("Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
    page.goto(f"{demo.url}/01/09520000000059/21/C1")
    assert answer_of_the_proof_panel(page) == "unchecked"
    shown = page.inner_text("#proof")
    assert "凭证已在您的手机上核对" not in shown
    assert "凭证对不上" not in shown


def test_without_script_the_page_is_whole_and_says_how_to_check(demo: RunningDemo, new_page: Any) -> None:
    page = new_page(PHONE, java_script_enabled=False)
    page.goto(f"{demo.url}/01/09520000000059/21/C1?lang=en")
    shown = page.inner_text("main")
    assert "1 sale on record" in shown
    assert "./suyuan verify" in shown


def test_an_operator_scans_at_the_handheld_and_the_public_page_says_who_signed(
    demo: RunningDemo, new_page: Any
) -> None:
    page = new_page(HANDHELD)
    sign_in(page, demo, "operator", "/enterprise/")
    wedge(page, "(01)09520000000035(10)LOT7(21)HAND1")
    page.wait_for_selector("#last .answer.ok")
    assert "HAND1" in page.inner_text("#last")
    page.goto(f"{demo.url}/01/09520000000035/21/HAND1?lang=zh")
    assert "由平台代签" in page.inner_text("main")
    assert answer_of_the_proof_panel(page) == "valid"


def test_a_bad_code_at_the_handheld_says_what_is_wrong_and_the_next_one_goes_through(
    demo: RunningDemo, new_page: Any
) -> None:
    page = new_page(HANDHELD)
    sign_in(page, demo, "operator", "/enterprise/")
    wedge(page, "6901234567893")
    page.wait_for_selector("#last .answer.unread")
    assert "6901234567893" in page.inner_text("#last")
    wedge(page, "(01)09520000000035(21)HAND2")
    page.wait_for_selector("#last .answer.ok")


def test_the_regulator_filters_the_list_by_address(demo: RunningDemo, new_page: Any) -> None:
    page = new_page(DESK)
    sign_in(page, demo, "regulator", "/regulator/blacklist")
    assert page.locator("tbody tr").count() == 4
    page.select_option("select[name=status]", "hearing")
    page.click("form.filters button")
    page.wait_for_url("**status=hearing*")
    assert page.locator("tbody tr").count() == 1
    page.click("footer button")
    page.wait_for_url(f"{demo.url}/*")
    page.goto(f"{demo.url}/regulator/blacklist")
    assert "/login" in page.url


@pytest.mark.parametrize("viewport", [PHONE, DESK, {"width": 320, "height": 640}], ids=["phone", "desk", "narrow"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_page_is_wider_than_the_screen(
    demo: RunningDemo, new_page: Any, viewport: dict[str, int], language: str
) -> None:
    page = new_page(viewport)
    for path in ("/", "/01/09520000000028/21/88000001", "/id/cn-drug/99000039000000000001", "/01/x", "/login"):
        page.goto(f"{demo.url}{path}?lang={language}")
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} at {viewport['width']}"


def test_public_pages_ask_no_other_host_and_set_no_cookie(demo: RunningDemo, new_page: Any) -> None:
    page = new_page(PHONE)
    asked: list[str] = []
    weight: list[int] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda response: weight.append(int(response.headers.get("content-length", "0"))))
    page.goto(f"{demo.url}/01/09520000000028/21/88000001")
    wait_until(lambda: len(asked) >= 2, "the style sheets")
    page.wait_for_load_state("networkidle")
    assert {url.split("/")[2] for url in asked} == {demo.url.split("/")[2]}
    assert page.context.cookies() == []
    assert sum(weight) <= 100 * 1024


def test_a_photo_of_a_code_leads_to_its_page(demo: RunningDemo, new_page: Any, tmp_path: Path) -> None:
    symbol = zxingcpp.create_barcode("https://id.gs1.org/01/09520000000028/21/88000001", zxingcpp.BarcodeFormat.QRCode)
    photo = tmp_path / "photo.png"
    Image.fromarray(zxingcpp.write_barcode_to_image(symbol, scale=8)).save(photo)
    page = new_page(PHONE)
    page.goto(f"{demo.url}/")
    page.set_input_files("#photo", str(photo))
    page.click("form[enctype] button")
    page.wait_for_url("**/01/09520000000028/21/88000001*")
    assert "记录正常" in page.inner_text("main")
