"""Both languages say everything, each by its own rules (interface guide, section 7)."""

import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from flask import Flask

from app import formats, translate
from app.public.present import BIZ_STEPS, STEPS_OF
from app.translate import Name, Words

ROOT = Path(__file__).resolve().parents[1]
HAN = "\u4e00-\u9fff"
BY_VIEWS = {"home.blacklist", "home.login", "home.ledger", "e.wrong", "rec.again", "rec.again_at"}
"""Keys that views hand to templates."""
BY_NAME = ("step.", "v.", "r.", "do.", "kind.", "problem.", "black.is.")
"""Keys that are put together from a word of the core."""


def catalogue(language: str) -> Catalog:
    source = ROOT / "app" / "translations" / language / "LC_MESSAGES" / "messages.po"
    with source.open("rb") as text:
        return read_po(text, locale=language, abort_invalid=True)


def entries(language: str) -> dict[str, tuple[str, ...]]:
    """Key to its forms: one, or singular and plural."""
    found = {}
    for message in catalogue(language):
        if message.id:
            key = message.id if isinstance(message.id, str) else message.id[0]
            found[key] = (message.string,) if isinstance(message.string, str) else tuple(message.string)
    return found


ZH = entries("zh")
EN = entries("en")


def sources() -> str:
    paths = [*(ROOT / "app" / "templates").rglob("*.html"), *(ROOT / "app" / "public").glob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_catalogues_have_the_same_keys_and_nothing_empty() -> None:
    assert ZH.keys() == EN.keys()
    for language in (ZH, EN):
        assert [key for key, forms in language.items() if not all(forms)] == []


def test_catalogues_fill_in_the_same_parameters() -> None:
    for key in ZH:
        wanted = {frozenset(re.findall(r"%\((\w+)\)s", form)) for form in (*ZH[key], EN[key][-1])}
        assert len(wanted) == 1, key
        for form in (*ZH[key], *EN[key]):
            assert "%" not in form % dict.fromkeys(*wanted, "x"), f"{key}: {form}"


def test_numbers_in_english_have_a_singular() -> None:
    assert [key for key, forms in EN.items() if "%(num)s" in forms[-1] and len(forms) != 2] == []


def test_every_key_in_use_is_in_the_catalogues() -> None:
    used = set(re.findall(r"""(?:say\(|Words\(|pill\('unknown', )['"]([a-z]+\.[\w.]*\w)['"]""", sources()))
    used |= set(re.findall(r"'((?:black|f|q|s|rec)\.[a-z_]+)'", sources()))
    used -= set(BY_NAME)
    assert len(used) > 100
    assert used <= ZH.keys()


def test_no_words_are_kept_that_nothing_says() -> None:
    text = sources()
    dead = [key for key in ZH if key not in BY_VIEWS and not key.startswith(BY_NAME) and key not in text]
    assert dead == []


def test_every_business_step_and_every_act_has_words() -> None:
    assert len(BIZ_STEPS) == 41
    assert {f"step.{word}" for word in (*BIZ_STEPS, "making")} == {key for key in ZH if key.startswith("step.")}
    for names in STEPS_OF.values():
        for name in names:
            assert f"do.{name}.how" in ZH
            assert f"do.{name}" in ZH or {"do.stop.eat", "do.stop.use"} <= ZH.keys()


def test_chinese_has_its_own_punctuation_and_no_typed_spaces() -> None:
    for key, forms in ZH.items():
        for form in forms:
            assert not re.search(rf"[{HAN}][,.;:!?()][{HAN}]", form), f"{key}: {form}"
            assert not re.search(rf"[{HAN}] [\d%A-Z]|[\ds] [{HAN}]", form), f"{key}: {form}"
            assert "！" not in form, f"{key}: no exclamation marks"
            assert not re.search("你|用户|数据错误|区块链|哈希|正品|放心|成功", form), f"{key}: {form}"


def test_english_has_no_han_and_no_straight_quotes() -> None:
    for key, forms in EN.items():
        for form in forms:
            assert not re.search(rf"[{HAN}'\"，。：；？（）]", form), f"{key}: {form}"


def test_catalogues_are_compiled_once_and_again_when_the_text_is_newer(tmp_path: Path) -> None:
    source = tmp_path / "en" / "LC_MESSAGES" / "messages.po"
    source.parent.mkdir(parents=True)
    source.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "a"\nmsgstr "one"\n')
    target = source.with_suffix(".mo")

    translate.compile_catalogues(tmp_path)
    first = target.stat().st_mtime_ns
    translate.compile_catalogues(tmp_path)
    assert target.stat().st_mtime_ns == first

    source.write_text(source.read_text().replace("one", "two"))
    os.utime(source, ns=(first + 10**9, first + 10**9))
    translate.compile_catalogues(tmp_path)
    assert b"two" in target.read_bytes()
    assert sorted(path.name for path in source.parent.iterdir()) == ["messages.mo", "messages.po"]


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("app", root_path=str(ROOT / "app"))
    translate.set_up(app)
    return app


@pytest.mark.parametrize(
    ("address", "accepts", "expected"),
    [
        ("/", "", "zh"),
        ("/", "fr-FR", "zh"),
        ("/", "en-GB,en;q=0.9,zh;q=0.5", "en"),
        ("/", "zh-CN,zh;q=0.9,en;q=0.5", "zh"),
        ("/?lang=en", "zh-CN", "en"),
        ("/?lang=zh", "en", "zh"),
        ("/?lang=xx", "en", "en"),
    ],
)
def test_language_is_asked_for_else_accepted_else_chinese(
    app: Flask, address: str, accepts: str, expected: str
) -> None:
    with app.test_request_context(address, headers={"Accept-Language": accepts}):
        assert translate.language() == expected


def test_the_language_link_keeps_the_path_and_the_other_parameters(app: Flask) -> None:
    with app.test_request_context("/01/09520000000028/21/A%2FB?code=1&lang=zh&code=%E6%BA%AF"):
        assert translate.lang_link("en") == "?code=1&code=%E6%BA%AF&lang=en"


def test_links_keep_a_chosen_language_and_do_not_invent_one(app: Flask) -> None:
    with app.test_request_context("/?lang=en"):
        assert translate.keep_language("/search?code=1") == "/search?code=1&lang=en"
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        assert translate.keep_language("/") == "/"


def test_what_fills_a_sentence_is_escaped(app: Flask) -> None:
    with app.test_request_context("/?lang=en"):
        said = translate.say(Words("p.proxy", {"name": "<b>&"}))
        assert str(said) == "Signed by the platform on behalf of &lt;b&gt;&amp;"
        island = translate.say(Words("p.proxy", {"name": Name("乳业", "zh")}))
        assert str(island) == 'Signed by the platform on behalf of <span lang="zh">乳业</span>'


def test_singular_and_plural_are_chosen_by_the_number(app: Flask) -> None:
    with app.test_request_context("/?lang=en"):
        assert translate.say("d.left", num=1) == "1 day left"
        assert translate.say("d.left", num=1200) == "1,200 days left"
    with app.test_request_context("/"):
        assert translate.say("d.left", num=1) == "还有1天"


TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (formats.day(TODAY, "zh", TODAY), "11月20日"),
        (formats.day(date(2027, 1, 2), "zh", TODAY), "2027年1月2日"),
        (formats.day(TODAY, "en", TODAY), "20 Nov 2026"),
        (formats.moment(datetime(2026, 11, 19, 23, 42, tzinfo=UTC), "zh", TODAY), "11月20日07:42"),
        (formats.moment(datetime(2026, 11, 19, 23, 42, tzinfo=UTC), "en", TODAY), "20 Nov 2026, 07:42"),
        (formats.table_day(TODAY), "2026-11-20"),
        (formats.table_day(None), "—"),
        (formats.number(11840), "11,840"),
        (formats.number(Decimal("1200.50")), "1,200.50"),
        (formats.celsius(9.3, "zh"), "9.3\u00a0℃"),
        (formats.celsius(-0.04, "en"), "0\u00a0°C"),
        (formats.celsius_range(2, 8, "zh"), "2~8\u00a0℃"),
        (formats.celsius_range(2, 8, "en"), "2–8\u00a0°C"),
        (formats.celsius_range(-18, -2.5, "en"), "−18 to −2.5\u00a0°C"),
        (formats.celsius_range(4, 4, "en"), "4\u00a0°C"),
        (formats.grouped("99000039000000000001"), ("9900003", "9000000000001")),
        (formats.grouped("9520000000035"), ("9", "520000", "000035")),
        (formats.grouped("010952000000002821A/B"), ("01", "09520000000028", "21", "A/B")),
        (formats.grouped("00095200000000001842"), ("00", "095200000000001842")),
        (formats.grouped("ABCDEFG"), ("ABCD", "EFG")),
    ],
)
def test_formats_are_those_of_the_guide(said: object, expected: object) -> None:
    assert said == expected


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an aware instant"):
        formats.moment(datetime(2026, 11, 20), "zh", TODAY)
