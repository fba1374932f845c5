"""Which language a page speaks, and where its words come from.

Message ids are keys (`v.normal`), never sentences: Chinese is the master text and English is complete, neither is a
translation of the other's grammar. A key that a catalogue lacks shows as itself; tests keep that from happening.
The language is part of the address (`?lang=en`), so it works without script and without a cookie.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, request
from flask_babel import Babel, get_locale, get_translations
from markupsafe import Markup, escape

from app import formats

LANGUAGES = ("zh", "en")
"""The first is the default."""
CATALOGUES = Path(__file__).parent / "translations"


@dataclass(frozen=True)
class Words:
    """A sentence to be said in the language of the page."""

    key: str
    params: Mapping[str, object] = field(default_factory=dict)
    """Fill `%(name)s` in the sentence; escaped, unless a value knows its own HTML."""
    num: int | None = None
    """The number that chooses between singular and plural; also `%(num)s`."""


@dataclass(frozen=True)
class Name:
    """A proper name. In a page of another language it says which language it is in."""

    text: str
    lang: str | None = None
    """Set when the name is not in the language of the page."""

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        if self.lang is None:
            return str(escape(self.text))
        return str(Markup('<span lang="{}">{}</span>').format(self.lang, self.text))


def name_in(language: str, zh: str, en: str) -> Name:
    """The name in the language, else in the other one, marked as such."""
    wanted, other, other_language = (en, zh, "zh") if language == "en" else (zh, en, "en")
    return Name(wanted) if wanted or not other else Name(other, other_language)


def set_up(app: Flask) -> None:
    """Compiles the catalogues, and gives templates `say`, `language`, `lang_link`, `keep_language` and the formats."""
    compile_catalogues(CATALOGUES)
    Babel(
        app,
        default_locale=LANGUAGES[0],
        default_timezone="Asia/Shanghai",
        default_translation_directories=str(CATALOGUES),
        locale_selector=pick_language,
    )
    app.jinja_env.globals.update(
        say=say,
        name_in=lambda zh, en: name_in(language(), zh, en),
        language=language,
        lang_link=lang_link,
        lang_chosen=lambda: request.args.get("lang") in LANGUAGES,
        keep_language=keep_language,
        grouped=formats.grouped,
        table_day=formats.table_day,
    )


def pick_language() -> str:
    """`?lang=`, else the first of ours that the browser accepts, else Chinese."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return str(asked)
    return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])


def language() -> str:
    """The language of the page being made: `zh` or `en`."""
    return str(get_locale() or LANGUAGES[0])


def say(words: Words | str, /, num: int | None = None, **params: object) -> Markup:
    """The sentence in the language of the page; all parameters are escaped."""
    if isinstance(words, str):
        words = Words(words, params, num)
    # Jinja's own gettext would do for plain keys; one way for all is easier to read.
    catalogue = get_translations()
    key, num = words.key, words.num
    text = catalogue.ugettext(key) if num is None else catalogue.ungettext(key, key, num)
    # The catalogues are ours; what fills them is escaped by Markup.
    return Markup(text) % {**words.params, "num": formats.number(num or 0)}  # noqa: S704


def lang_link(wanted: str) -> str:
    """The same address in another language: a reference that keeps the path as the browser has it, `%2F` included."""
    args = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return "?" + urlencode([*args, ("lang", wanted)])


def keep_language(address: str) -> str:
    """A link inside the site that goes on in the language that this address names; a guessed one is guessed again."""
    asked = request.args.get("lang")
    if asked not in LANGUAGES:
        return address
    return f"{address}{'&' if '?' in address else '?'}lang={asked}"


def compile_catalogues(folder: Path) -> None:
    """Makes `messages.mo` beside every `messages.po` that is newer or has none.

    Raises: babel.messages.pofile.PoFileError when a catalogue does not parse.
    """
    for source in sorted(folder.glob("*/LC_MESSAGES/messages.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        with source.open("rb") as text:
            catalogue = read_po(text, locale=source.parent.parent.name, abort_invalid=True)
        # Two processes may start at once: each writes its own file and renames it over the other's.
        half = target.with_name(f".messages.{os.getpid()}.mo")
        with half.open("wb") as binary:
            write_mo(binary, catalogue)
        half.replace(target)
