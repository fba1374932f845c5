"""Every template, in both languages, as the browser gets it."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask, render_template

from app import translate
from app.public import present
from app.site import Site
from tests import samples
from trace.query import Story
from trace.supervision.verdict import VerdictCode

ROOT = Path(__file__).resolve().parents[1]
VOID = {"meta", "link", "input", "br", "wbr", "img", "hr", "col", "path", "rect", "use"}
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def app() -> Flask:
    """The templates with what every page may count on, and no views."""
    app = Flask("app", root_path=str(ROOT / "app"))
    translate.set_up(app)
    app.jinja_env.globals.update(
        csrf_token=lambda: "token",
        site=Site(domain="suyuan.yunqiao.example", hotline="000-0000-0101"),
        ledger={"origin": "yunqiao.example/log", "log_key": "yunqiao.example/log+00000000+AQ=="},
    )
    return app


def result(story: Story, language: str) -> str:
    return render_template("public/result.html", page=present.present(story, samples.NOW, language))


def missing(language: str) -> str:
    return render_template("public/not_found.html", page=present.not_found("0109520000000099", samples.NOW, language))


def record(language: str, last: dict[str, object] | None = None) -> str:
    english = {"product_name": "Example infant formula 800 g", "message": "Receipt recorded."}
    answers = [samples.answer(o) | (english if language == "en" else {}) for o in ("ok", "duplicate", "unread")]
    if last is not None and language == "en":
        last = last | english
    return render_template(
        "enterprise/record.html",
        steps=[("receiving", "step.receiving"), ("shipping", "step.shipping")],
        places=[{"gln": "9520000000158", "name_zh": "东渡解放路店", "name_en": "Jiefang Road shop"}],
        party={"name_zh": "示例云桥母婴生活馆", "name_en": "Example Mother and Child shop"},
        last=last,
        recent=answers if last else [],
    )


def blacklist(**changes: object) -> str:
    counts = {"published": 1, "expired": 1, "hearing": 1, "repaired": 1}
    account = {"display_zh": "市监员甲", "display_en": "Regulator A"}
    context = {"account": account, "entries": samples.blacklist(), "filters": {}, "counts": counts} | changes
    return render_template("regulator/blacklist.html", **context)


PAGES: dict[str, Callable[[str], str]] = {
    **{code.value: lambda language, code=code: result(samples.story(code), language) for code in VerdictCode},
    "not-found": missing,
    "container": lambda language: result(
        samples.story(product=None, kind="container", lot=None, inside=("a", "b")), language
    ),
    "long": lambda language: result(samples.story(hops=samples.journey() * 3), language),
    "unpublished": lambda language: result(
        samples.story(hops=tuple(replace(hop, published=False) for hop in samples.journey())), language
    ),
    "nothing-known": lambda language: result(
        samples.story(
            product=None,
            lot=None,
            produced=None,
            expiry=None,
            hops=tuple(replace(hop, where=None) for hop in samples.journey()[3:4]),
        ),
        language,
    ),
    "home": lambda language: render_template("public/home.html", links=[("/blacklist", "home.blacklist")]),
    "problem": lambda language: render_template(
        "public/problem.html", status=503, detail="ledger: expected an answer, got none", incident="7f3a", retry=True
    ),
    "login": lambda language: render_template("login.html", error=translate.say("e.wrong"), username="yangpo"),
    "record": record,
    "record-stop": lambda language: record(language, samples.answer("stop")),
    "blacklist": lambda language: blacklist(),
    "blacklist-empty": lambda language: blacklist(entries=[], filters={"q": "x"}),
}


class Reader(HTMLParser):
    """Walks a page: balance of tags, ids, labels, and in which language each text stands."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.h1 = 0
        self.labelled: set[str | None] = set()
        self.han: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        lang = given.get("lang") or (self.open[-1][1] if self.open else "")
        self.faults += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag in ("script", "style") and "src" not in given:
            self.faults.append(f"inline {tag}")
        self.ids += [str(given["id"])] if given.get("id") else []
        self.h1 += tag == "h1"
        self.labelled |= {given["for"]} if "for" in given else set()
        if tag in ("input", "select") and given.get("type") != "hidden":
            labelled = (
                "aria-label" in given or "label" in [name for name, _ in self.open] or given.get("id") in self.labelled
            )
            if not labelled:
                self.faults.append(f"{tag} without a label")
        for name in ("aria-label", "placeholder", "data-label"):
            self._say(str(given.get(name) or ""), lang)
        if tag not in VOID:
            self.open.append((tag, lang))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1][0] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1][0] if self.open else 'nothing'}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self._say(data, self.open[-1][1] if self.open else "")

    def _say(self, text: str, lang: str) -> None:
        self.text.append(text)
        if HAN.search(text) and lang == "en":
            self.han.append(text.strip())


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def make(app: Flask, name: str, language: str) -> str:
    with app.test_request_context(f"/?lang={language}"):
        return PAGES[name](language)


@pytest.mark.parametrize("language", translate.LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound_html_without_inline_style_or_script(app: Flask, name: str, language: str) -> None:
    html = make(app, name, language)
    reader = read(html)
    assert reader.faults == []
    assert reader.open == []
    assert reader.h1 == 1
    assert len(reader.ids) == len(set(reader.ids))
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}"' in html


@pytest.mark.parametrize("language", translate.LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_page_shows_no_bare_key(app: Flask, name: str, language: str) -> None:
    text = " ".join(read(make(app, name, language)).text)
    assert re.findall(r"\b(?:v|r|f|j|p|a|do|step|note|rec|black|site|join|problem)\.[a-z_]{2,}\b", text) == []
    assert "%(" not in text and "None" not in text


@pytest.mark.parametrize("name", PAGES)
def test_english_page_has_han_only_in_marked_islands(app: Flask, name: str) -> None:
    assert read(make(app, name, "en")).han == []


@pytest.mark.parametrize("name", PAGES)
def test_chinese_page_has_no_ascii_punctuation_between_han(app: Flask, name: str) -> None:
    text = " ".join(read(make(app, name, "zh")).text)
    assert re.findall("[\u4e00-\u9fff][,.;:!?()][\u4e00-\u9fff]", text) == []


@pytest.mark.parametrize("language", translate.LANGUAGES)
@pytest.mark.parametrize("code", VerdictCode)
def test_public_page_weighs_at_most_12_kilobytes(app: Flask, code: VerdictCode, language: str) -> None:
    assert len(make(app, code.value, language).encode()) <= 12 * 1024


@pytest.mark.parametrize("code", VerdictCode)
def test_verdict_comes_first_in_its_form(app: Flask, code: VerdictCode) -> None:
    html = make(app, code.value, "zh")
    form = samples.story(code).verdict.form
    assert f'<section class="flood {form}"' in html
    assert html.index('id="verdict"') < html.index('class="card')
    assert ('class="stripe"' in html) == (form == "stop")


@pytest.mark.parametrize("code", [c for c in VerdictCode if samples.story(c).verdict.form == "stop"])
def test_stop_page_has_steps_before_the_product_and_no_green(app: Flask, code: VerdictCode) -> None:
    html = make(app, code.value, "zh")
    assert html.index("现在请这样做") < html.index("示例晨光", html.index("<main"))
    assert 'class="pill ok"' not in html


def test_what_cannot_be_proven_is_always_said(app: Flask) -> None:
    assert "不能证明：包装里的东西没有被调换" in make(app, "normal", "zh")
    assert "Not proven: that the contents were not swapped" in make(app, "normal", "en")


def test_a_page_without_published_steps_offers_no_proof(app: Flask) -> None:
    html = make(app, "unpublished", "zh")
    assert "这些步还没有进公开账本" in html
    assert '/proof" download' not in html and "proof-panel.js" not in html


def test_an_unknown_code_can_be_typed_again(app: Flask) -> None:
    html = make(app, "not-found", "zh")
    assert "没有查到这个码" in html
    assert 'action="/search"' in html and 'value="0109520000000099"' in html


def test_names_from_records_are_escaped(app: Flask) -> None:
    product = replace(samples.MILK, name_zh="<script>alert(1)</script>", maker_zh='"><img>', image=None)
    with app.test_request_context("/"):
        html = result(samples.story(product=product, lot="<b>"), "zh")
    assert "<script>alert" not in html and "<img>" not in html and "<b></dd>" not in html


def test_record_page_says_that_the_platform_signs(app: Flask) -> None:
    assert "由平台代签" in make(app, "record", "zh")
    assert "Signed by the platform" in make(app, "record", "en")


def test_record_page_posts_the_fields_that_its_view_reads(app: Flask) -> None:
    html = make(app, "record", "zh")
    start = html.index('<form method="post" class="scan"')
    form = html[start : html.index("</form>", start)]
    assert re.findall(r'name="(\w+)"', form) == ["csrf_token", "code", "biz_step", "place"]
    assert not re.search(r"<input[^>]*\b(?:readonly|disabled)\b", form)


def test_rows_that_are_not_published_are_marked_internal(app: Flask) -> None:
    rows = make(app, "blacklist", "zh").split("<tr>")[2:]
    assert ["内部" in row for row in rows] == [False, True, True, True]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 413, 418, 429, 500, 502, 503])
def test_every_status_has_a_sentence(app: Flask, status: int) -> None:
    with app.test_request_context("/?lang=en"):
        html = render_template("public/problem.html", status=status, incident=None, detail=None, retry=False)
    assert "problem." not in " ".join(read(html).text)


@pytest.mark.parametrize("name", PAGES)
def test_icons_in_use_are_drawn(app: Flask, name: str) -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "app/static/icons.svg").read_text(encoding="utf-8")))
    assert set(re.findall(r'icons\.svg#([\w-]+)"', make(app, name, "zh"))) <= drawn


@pytest.mark.parametrize("name", PAGES)
def test_files_in_use_exist(app: Flask, name: str) -> None:
    for file in re.findall(r'(?:src|href)="/static/([\w.-]+)', make(app, name, "zh")):
        assert (ROOT / "app" / "static" / file).is_file(), file
