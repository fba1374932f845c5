"""Digital Links: read from any domain, written canonically, and decoded paths with their readings."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.ai_table import AI_TABLE
from trace.identifiers.digital_link import DigitalLink, parse_path, to_uri
from trace.identifiers.element_string import FNC1, ElementString
from trace.identifiers.percent import decode, decode_query, encode, encode_query

ENGINE = "epcis/gs1-syntax-engine"
CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def refusal(uri: str, *, lenient: bool = False) -> str:
    with pytest.raises(ParseError) as caught:
        DigitalLink.parse(uri, lenient=lenient)
    return str(caught.value)


def powerset(items: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


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
            assert refusal(row["uri"], lenient=True).endswith("AI '89': no such application identifier.")
        elif row["valid"]:
            link = DigitalLink.parse(row["uri"], lenient=True)
            elements = link.element_string.elements
            assert unbracketed(link) == row["unbracketed"]
            assert "".join(f"^{ai}{value}" for ai, value in elements) == row["unbracketed_extraFNC1"]
            assert link.element_string.bracketed() == row["bracketed"]
            assert dict(elements) == json.loads(row["json"])
            # Its own order: predefined lengths first.
            ordered = sorted(elements, key=lambda element: not AI_TABLE[element[0]].predefined_length)
            assert ElementString(tuple(ordered)).bracketed() == row["bracketed_sorted"]
        else:
            refusal(row["uri"], lenient=True)


def test_links_pass_or_fail_as_in_digital_link_js(shared_data: Path) -> None:
    for row in rows(shared_data / "epcis/gs1-digital-link/digital_link_js_valid.jsonl"):
        if row["expect"] and not row["sortKeyQualifiers"]:
            DigitalLink.parse(row["uri"], lenient=True)
        else:
            # Qualifiers in another order are none of ours to put right: URI Syntax 4.9.
            refusal(row["uri"], lenient=True)


def test_rules_of_digital_link_js_hold(shared_data: Path) -> None:
    for row in rows(shared_data / "epcis/gs1-digital-link/digital_link_js_rules.jsonl"):
        if row["rule"] == "gtin":
            uri, got = f"https://a/01/{row['value']}", "path"
        else:
            uri, got = f"https://a/01/06901234567892?{row['value']}", "extensions"
        assert bool(getattr(DigitalLink.parse(uri, lenient=True), got)) == row["expect"]


def test_key_and_qualifiers_follow_each_other_as_in_the_syntax_engine(shared_data: Path) -> None:
    sequences = json.loads((shared_data / ENGINE / "dl_path_ai_sequences.json").read_text(encoding="utf-8"))["seq"]
    expected = {tuple(sequence) for sequence in sequences}
    ours = {
        (key, *(ai for ai in sequence if ai in chosen))
        for key, identifier in AI_TABLE.items()
        for sequence in identifier.qualifiers or (((),) if identifier.qualifiers == () else ())
        for chosen in powerset(sequence)
    }
    assert expected <= ours
    assert ours - expected == {("415",), ("415", "8020")}  # in the dictionary of the engine too; the list is a part


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


def test_element_strings_give_the_links_that_the_engine_gives(shared_data: Path) -> None:
    written = 0
    for row in rows(shared_data / ENGINE / "oracle_engine_1.4.1.jsonl"):
        if not row["ok"] or row["form"] != "bracketed":
            continue
        string = ElementString.parse_bracketed(row["bracketed"])
        if row.get("dl_uri"):
            assert to_uri(string) == row["dl_uri"]
        else:
            with pytest.raises(ValidationError):
                to_uri(string)
        written += 1
    assert written > 20


def test_links_are_written_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "generateDLuri.jsonl"):
        if row["permitUnknownAIs"]:
            with pytest.raises(ParseError, match=r"AI '89': no such application identifier\.$"):
                ElementString.parse_bracketed(row["bracketed"])
            continue
        string = ElementString.parse_bracketed(row["bracketed"])
        if row["valid"]:
            assert to_uri(string, row["stem"]) == row["uri"]
            assert to_uri(string, row["stem"] + "/") == row["uri"]
        else:
            with pytest.raises(ValidationError):
                to_uri(string, row["stem"])


def test_percent_encoding_is_that_of_the_engine_and_of_the_simple_parser(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "URIescape.jsonl"):
        assert (encode(row["in"]), encode_query(row["in"])) == (row["path"], row["query"])
    for name in (f"{ENGINE}/URIunescape.jsonl", "epcis/gs1-digital-link/simple_parser_unescape.jsonl"):
        for row in rows(shared_data / name):
            assert (decode(row["in"]), decode_query(row["in"])) == (row["path"], row["query"])
    assert (decode("A+B"), decode_query("A+B")) == ("A+B", "A B")


# ---- reading ------------------------------------------------------------------------------------


def test_a_link_is_taken_apart() -> None:
    link = DigitalLink.parse("https://brand.cn/p/01/06901234567892/10/L%2F7/21/A%257?17=261130&utm=x+y&new#top")
    assert link == DigitalLink(
        "https://brand.cn/p",
        (("01", "06901234567892"), ("10", "L/7"), ("21", "A%7")),
        (("17", "261130"),),
        ("utm=x+y", "new"),
    )
    assert link.uri() == "https://id.gs1.org/01/06901234567892/10/L%2F7/21/A%257?17=261130"
    assert str(link) == "https://brand.cn/p/01/06901234567892/10/L%2F7/21/A%257?17=261130&utm=x+y&new"


@pytest.mark.parametrize(
    "host", ["a", "a.", "a:443", "a:", "192.0.2.1", "0xC0.0xA8.0x01.0x01", "[2001:db8::1]", "[::1]:80", "xn--fsq.cn"]
)
def test_any_host_can_stand_in_front(host: str) -> None:
    assert DigitalLink.parse(f"https://{host}/01/06901234567892").stem == f"https://{host}"


@pytest.mark.parametrize("host", ["", "a$", "u@a", "a:b", "[fe80::1%25lo]", "a_b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    refusal(f"https://{host}/01/06901234567892", lenient=True)


def test_lenient_reads_what_is_printed_against_the_standard() -> None:
    uri = "https://brand.cn/gtin/6901234567892/?10=L7"
    assert refusal(uri) == f"Digital Link {uri!r}: expected a value behind the last '/' of the path."
    assert DigitalLink.parse(uri, lenient=True).element_string.bracketed() == "(01)06901234567892(10)L7"
    assert refusal("https://brand.cn/gtin/06901234567892").endswith("no GS1 key in the path.")


def test_a_gtin_that_is_not_the_key_may_have_13_digits() -> None:
    link = DigitalLink.parse("https://a/8004/9520614141234567?01=9520123456788")
    assert link.attributes == (("01", "09520123456788"),)


def test_empty_parameters_say_nothing() -> None:
    link = DigitalLink.parse("https://a/01/12312312312333?&&&99=ABC&&&98=XYZ&&&=x&#17=1")
    assert (link.attributes, link.extensions) == ((("99", "ABC"), ("98", "XYZ")), ("=x",))


def test_parameters_of_the_site_are_kept_in_any_encoding() -> None:
    uri = "https://a/01/06901234567892?name=%C4%E3%BA%C3&%39%39=A&x=%zz&%D9%A3=1&99"
    assert str(DigitalLink.parse(uri)) == uri


def test_a_plus_is_a_space_in_the_query_alone() -> None:
    assert DigitalLink.parse("https://a/01/06901234567892/22/A+B").path[1] == ("22", "A+B")
    assert refusal("https://a/01/06901234567892?99=A+B").endswith(
        "(99) 'A B': ' ' at 2, expected GS1 AI character set 82."
    )


@pytest.mark.parametrize(
    ("uri", "fault", "code", "at"),
    [
        ("https://a/01/06901234567891", "(01) '06901234567891': check digit is 1, computed 2.", "ai_value", 11),
        (
            "https://a/01/06901234567892/21/A/10/B",
            "behind (01) expected (22)(10)(21) or (235) in this order, got (21)(10).",
            "key_order",
            29,
        ),
        (
            "https://a/00/006141411234567890/21/A",
            "behind (00) expected nothing in this order, got (21).",
            "key_order",
            33,
        ),
        ("https://a/01/06901234567892?21=A", "(21) may not stand in the query.", "not_an_attribute", 29),
        ("https://a/01/06901234567892?10=A", "(10) belongs in the path, not in the query.", "belongs_in_path", 29),
        ("https://a/01/06901234567892?u=1&17=", "(17) '': expected 6 characters, got 0.", "ai_value", 33),
        ("https://a/01/06901234567892?99=A&99=A", "(99) is there twice.", "duplicate_ai", 34),
        ("https://a/01/06901234567892?999=A", "AI '999': no such application identifier.", "unknown_ai", 29),
        (
            "https://a/01/06901234567892/21/%E9",
            "URI part '%E9': percent-encoded bytes are not UTF-8.",
            "percent_encoding",
            29,
        ),
        (
            "https://a/01/06901234567892/21/A%00",
            "(21) 'A\\x00': '\\x00' at 2, expected GS1 AI character set 82.",
            "ai_value",
            29,
        ),
        ("https://a/01/06901234567892/21/甲", "'甲' at 32 is not allowed in a URI.", "uri_character", 32),
        (
            "ftp://a/01/06901234567892",
            "expected https:// or http://, a domain name and a path.",
            "digital_link_syntax",
            1,
        ),
        ("https://a/b", "no GS1 key in the path.", "no_key", 10),
        (
            "https://a/01/06901234567892/",
            "expected a value behind the last '/' of the path.",
            "digital_link_syntax",
            28,
        ),
    ],
)
def test_a_refused_link_says_why_and_where(uri: str, fault: str, code: str, at: int) -> None:
    with pytest.raises(ParseError) as caught:
        DigitalLink.parse(uri)
    assert str(caught.value) == f"Digital Link {uri!r}: {fault}"
    assert (caught.value.code, caught.value.at) == (code, at)


def test_more_than_64_parameters_are_refused() -> None:
    uri = "https://a/01/06901234567892?" + "&".join(f"p{number}=1" for number in range(63))
    assert len(DigitalLink.parse(uri).extensions) == 63
    with pytest.raises(LimitError, match=r"^Digital Link: more than 64 elements and parameters\.$"):
        DigitalLink.parse(uri + "&one")
    with pytest.raises(LimitError, match=r"^Digital Link: more than 64 elements and parameters\.$"):
        DigitalLink.parse("https://a/01/06901234567892" + "/21/A" * 1500)


def test_a_link_of_any_length_is_not_read() -> None:
    with pytest.raises(LimitError, match=r"^Digital Link: 9002 characters, at most 8000 are read\.$"):
        DigitalLink.parse("https://a/" + "1/" * 4496)


def test_elements_without_a_key_give_no_link() -> None:
    with pytest.raises(ValidationError, match=r"^Digital Link of '\(10\)A': none of its AIs is a Digital Link key\.$"):
        to_uri(ElementString((("10", "A"),)))


def test_elements_that_contradict_each_other_give_no_link() -> None:
    with pytest.raises(ValidationError, match=r"^Digital Link: \(10\) has two values, 'A' and 'B'\.$") as caught:
        to_uri(ElementString((("01", "06901234567892"), ("10", "A"), ("10", "B"))))
    assert caught.value.code == "duplicate_ai"


@given(st.text(max_size=200))
def test_whatever_is_read_is_a_link_or_refused(text: str) -> None:
    for uri in (text, f"https://a/{text}", f"https://a/01/06901234567892/{text}"):
        try:
            link = DigitalLink.parse(uri, lenient=True)
        except ParseError:
            continue
        assert DigitalLink.parse(str(link), lenient=True) == link


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
