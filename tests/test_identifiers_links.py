"""Digital Links: read from any domain, written canonically, and decoded paths with their readings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.digital_link import DigitalLink, parse_path, to_uri
from trace.identifiers.element_string import FNC1, ElementString

ENGINE = "epcis/gs1-syntax-engine"
CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def refusal(uri: str, *, lenient: bool = False) -> str:
    with pytest.raises(ParseError) as caught:
        DigitalLink.parse(uri, lenient=lenient)
    return str(caught.value)


def unbracketed(link: DigitalLink) -> str:
    return "^" + link.element_string.raw().replace(FNC1, "^")


def test_links_are_read_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "parseDLuri.jsonl"):
        # Options of the engine that are off by default are all in our `lenient`.
        lenient = row["permitZeroSuppressedGTINinDLuris"] or "/gtin/" in row["uri"] or "/sscc/" in row["uri"]
        if row["valid"]:
            assert unbracketed(DigitalLink.parse(row["uri"], lenient=lenient)) == row["unbracketed"]
        else:
            refusal(row["uri"])


def test_links_are_read_as_the_simple_parser_does(shared_data: Path) -> None:
    for row in rows(shared_data / "epcis/gs1-digital-link/simple_parser_parse.jsonl"):
        if "/89/" in row["uri"]:
            continue  # the simple parser lets unallocated AIs pass
        if row["valid"]:
            assert unbracketed(DigitalLink.parse(row["uri"], lenient=True)) == row["unbracketed"]
        else:
            refusal(row["uri"], lenient=True)


def test_links_pass_or_fail_as_in_digital_link_js(shared_data: Path) -> None:
    for row in rows(shared_data / "epcis/gs1-digital-link/digital_link_js_valid.jsonl"):
        if row["sortKeyQualifiers"]:
            continue  # an option of that library to put qualifiers in order first
        if row["expect"]:
            DigitalLink.parse(row["uri"], lenient=True)
        else:
            refusal(row["uri"], lenient=True)


def test_links_agree_with_the_answers_of_the_engine(shared_data: Path) -> None:
    read = 0
    for row in rows(shared_data / ENGINE / "oracle_engine_1.4.1.jsonl"):
        if row["form"] != "data" or not row["input"].startswith("http"):
            continue
        if row["ok"]:
            link = DigitalLink.parse(row["input"])
            assert link.element_string.bracketed() == row["bracketed"]
            assert link.uri() == row["dl_uri"]
        else:
            refusal(row["input"])
        read += 1
    assert read > 20


def test_links_are_written_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "generateDLuri.jsonl"):
        if row["permitUnknownAIs"]:
            continue
        string = ElementString.parse_bracketed(row["bracketed"])
        if row["valid"]:
            assert to_uri(string, row["stem"]) == row["uri"]
        else:
            with pytest.raises(ValidationError):
                to_uri(string, row["stem"])


def test_a_link_is_taken_apart() -> None:
    link = DigitalLink.parse("https://brand.cn/p/01/06901234567892/10/L%2F7/21/A%257?17=261130&utm=x#top")
    assert link == DigitalLink(
        "https://brand.cn/p", (("01", "06901234567892"), ("10", "L/7"), ("21", "A%7")), (("17", "261130"),)
    )


def test_lenient_reads_what_is_printed_against_the_standard() -> None:
    uri = "https://brand.cn/gtin/6901234567892/?10=L7"
    assert refusal(uri) == f"Digital Link {uri!r}: no GS1 key in the path."
    assert DigitalLink.parse(uri, lenient=True).element_string.bracketed() == "(01)06901234567892(10)L7"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https://a/01/06901234567891", "(01) '06901234567891': check digit is 1, computed 2."),
        (
            "https://a/01/06901234567892/21/A/10/B",
            "behind (01) expected (22)(10)(21) or (235) in this order, got (21)(10).",
        ),
        ("https://a/01/06901234567892?21=A", "(21) may not stand in the query."),
        ("https://a/01/06901234567892?10=A", "(10) belongs in the path, not in the query."),
        ("https://a/01/06901234567892?17=", "(17) '': expected 6 characters, got 0."),
        ("https://a/01/06901234567892?99=A&99=A", "(99) is there twice."),
        ("https://a/01/06901234567892/21/%E9", "URI part '%E9': percent-encoded bytes are not UTF-8."),
        ("https://a/01/06901234567892/21/A%00", "(21) 'A\\x00': '\\x00' at 2, expected GS1 AI character set 82."),
        ("https://a/01/06901234567892/21/甲", "'甲' at 32 is not allowed in a URI."),
        ("ftp://a/01/06901234567892", "expected https:// or http://, a domain name and a path."),
    ],
)
def test_a_refused_link_says_why(uri: str, fault: str) -> None:
    assert refusal(uri) == f"Digital Link {uri!r}: {fault}"


def test_a_link_of_any_length_is_not_read() -> None:
    with pytest.raises(LimitError, match=r"^Digital Link: 9002 characters, at most 8000 are read\.$"):
        DigitalLink.parse("https://a/" + "1/" * 4496)


def test_elements_without_a_key_give_no_link() -> None:
    with pytest.raises(ValidationError, match=r"^Digital Link of '\(10\)A': none of its AIs is a Digital Link key\.$"):
        to_uri(ElementString((("10", "A"),)))


@given(st.text(CSET_82, min_size=1, max_size=20), st.text(CSET_82, min_size=1, max_size=20))
def test_links_round_trip_whatever_the_values_hold(lot: str, serial: str) -> None:
    string = ElementString((("01", "06901234567892"), ("10", lot), ("21", serial), ("17", "261130")))
    link = DigitalLink.parse(to_uri(string))
    assert link.element_string == string
    assert DigitalLink.parse(link.uri()) == link


# ---- decoded paths ------------------------------------------------------------------------------


def readings(path: str) -> list[str]:
    return [str(reading) for reading in parse_path(path)]


def test_a_plain_path_has_one_reading() -> None:
    assert readings("/01/09520000000035/21/A7") == ["(01)09520000000035(21)A7"]
    assert readings("00/106141412345678908") == ["(00)106141412345678908"]
    assert readings("/414/9520123456788/254/32a/b") == ["(414)9520123456788(254)32a/b"]


def test_a_serial_number_runs_over_what_may_not_follow() -> None:
    assert readings("/01/09520000000035/21/A/10/B") == ["(01)09520000000035(21)A/10/B"]


def test_a_path_that_can_be_read_twice_is_read_twice() -> None:
    assert readings("/01/09520000000035/10/A/21/B") == [
        "(01)09520000000035(10)A(21)B",
        "(01)09520000000035(10)A/21/B",
    ]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/01/09520000000036/21/A", "(01) '09520000000036': check digit is 6, computed 5."),
        ("/01/09520000000035/99/A", "expected qualifiers of (01) in their order behind it."),
        ("/favicon.ico", "expected a Digital Link key first, got 'favicon.ic'."),
        ("", "expected a Digital Link key first, got ''."),
    ],
)
def test_a_path_without_a_reading_is_refused(path: str, fault: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_path(path)
    assert str(caught.value) == f"path {path!r}: {fault}"


def test_a_hostile_path_has_few_readings() -> None:
    assert len(parse_path("/01/09520000000035/22/a/10/a/21/a/10/a/21/a/21/a/21/a")) < 20
    with pytest.raises(ParseError):
        parse_path("/01/09520000000035" + "/21/a" * 1000)


@given(st.text(CSET_82, min_size=1, max_size=20), st.text(CSET_82, min_size=1, max_size=20))
def test_the_right_reading_of_a_decoded_path_is_always_among_them(lot: str, serial: str) -> None:
    right = ElementString((("01", "09520000000035"), ("10", lot), ("21", serial)))
    assert right in parse_path(f"/01/09520000000035/10/{lot}/21/{serial}")
