"""Compressed Digital Links: as the GS1 toolkits write them, both ways, and what is none."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, TraceError
from trace.identifiers.ai_table import AI_TABLE
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.digital_link import DigitalLink, to_uri
from trace.identifiers.dl_compression import OPTIMISATIONS, compress, decompress, read_link
from trace.identifiers.element_string import ElementString

FOLDER = "epcis/gs1-digital-link"
CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"
BASE_64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def content(link: DigitalLink) -> tuple[Any, ...]:
    """All but the order of the query and its needless escapes, which a compressed link does not keep."""
    return link.path, sorted(link.attributes), sorted(unquote_to_bytes(each) for each in link.extensions)


def refusal(uri: str) -> str:
    with pytest.raises(ParseError) as caught:
        decompress(uri)
    return str(caught.value)


def segment(bits: str) -> str:
    """A link of these bits."""
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 6)
    return "https://a/" + "".join(BASE_64[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


GTIN_BITS = "00000001" + format(6901234567892, "047b")


# ---- the toolkits of GS1 ------------------------------------------------------------------------

UNKNOWN_TO_THE_TOOLKIT = {"235", "8030"}


def toolkit_errs(link: DigitalLink) -> str | None:
    """Why GS1's JavaScript toolkit writes this link so that it cannot read it itself (docs/identifiers-link.md)."""
    elements = link.path + link.attributes
    if not all("=" in each for each in link.extensions):
        return "a parameter without a value becomes the text 'undefined'"
    if any(ai in UNKNOWN_TO_THE_TOOLKIT for ai, _ in elements):
        return "its AI table is older"
    if next(ai for ai, _ in sorted(elements) if AI_TABLE[ai].qualifiers is not None) != link.path[0][0]:
        return "another AI comes first and is taken for the key"
    for ai, value in elements:
        kinds = [part.charset is NUMERIC for part in AI_TABLE[ai].components]
        if kinds[0] and not kinds[-1]:
            return "components in front of a text are written twice"
        if value.isdigit() and int(float(value)) != int(value):
            return "numbers are floating-point"
    return None


def test_links_are_compressed_as_the_toolkit_does_where_it_can_read_its_own(shared_data: Path) -> None:
    equal = 0
    for row in rows(shared_data / FOLDER / "oracle_toolkit_js_compression.jsonl"):
        try:
            link = DigitalLink.parse(row["input"], lenient=True)
        except ParseError as error:
            # The toolkit does not look at the order of qualifiers, and takes a compressed link for no data.
            assert error.code in ("key_order", "no_key", "unknown_ai"), row
            continue
        compressed = compress(
            link,
            row["uriStem"],
            optimised=row["useOptimisations"],
            extensions=row["compressOtherKeyValuePairs"],
        )
        assert content(decompress(compressed)) == content(link), row
        if row.get("compressed") is None:
            assert row["error"]
        elif toolkit_errs(link) is None:
            assert compressed == row["compressed"]
            equal += 1
        else:
            assert compressed != row["compressed"], row
    assert equal > 90


def test_compressed_links_are_read_as_the_toolkit_does(shared_data: Path) -> None:
    for row in rows(shared_data / FOLDER / "oracle_toolkit_js_compression.jsonl"):
        if not row.get("roundtrip"):
            continue
        # The toolkit drops the zeros in front of a number of open length.
        expected = DigitalLink.parse(row["roundtrip"].replace("3922=299", "3922=0299"), lenient=True)
        assert content(decompress(row["compressed"])) == content(expected)


def test_element_strings_are_compressed_as_the_toolkit_does(shared_data: Path) -> None:
    equal = 0
    for row in rows(shared_data / FOLDER / "oracle_toolkit_js_elementstrings.jsonl"):
        try:
            link = DigitalLink.parse(to_uri(ElementString.parse_bracketed(row["elementString"])))
        except TraceError:
            # No key, a wrong check digit, or (235) beside a lot, which the toolkit does not know and drops.
            assert "error" in row or "(235)" in row["elementString"], row
            continue
        assert content(decompress(compress(link))) == content(link)
        if toolkit_errs(link) is None:
            assert compress(link) == row["compressed"]
            equal += 1
    assert equal >= 19


def test_the_python_port_is_matched(shared_data: Path) -> None:
    for row in rows(shared_data / FOLDER / "gs1_compression_py.jsonl"):
        if row["fn"] == "compress":
            assert compress(DigitalLink.parse(row["input"])) == f"https://id.gs1.org/{row['expect_tail']}"
        elif row["fn"] == "decompress":
            assert str(decompress(row["input"])) == row["expect"]
        else:
            assert str(decompress(row["input"])) == "https://example.com/01/09528765123457/21/123456789123"


def test_digital_link_js_is_matched(shared_data: Path) -> None:
    for row in rows(shared_data / FOLDER / "digital_link_js_compression.jsonl"):
        # With `true` it writes convenience names, which URI Syntax 1.3 has withdrawn; we read them.
        assert decompress(row["input"]) == DigitalLink.parse(row["expect"], lenient=True)


# ---- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "full", "partial"),
    [
        ("https://a/01/05412345000013", "/AQnYUc1gmg", "/01/05412345000013"),
        ("https://a/253/3060077601309", "/JTLIetaiHYA", "/253/3060077601309"),
        ("https://a/255/5678409730535", "/JVUqG5hJ5wA", "/255/5678409730535"),
        ("https://a/414/5060917510004/7040/5KFX", "/QUSaVjC_dHBAVlCrg", "/414/5060917510004/cEBWUKu"),
        (
            "https://a/8010/0541234537290A41%23GH33/8011/6639047221",
            "/gBCVYNWjFkzaNWbdk5YQWjFHHkM2cAI0xdvpGo",
            "/8010/0541234537290A41%23GH33/gBGmLt9I1",
        ),
        (
            "https://a/01/05412345000013/10/ABC123?17=290331&arv=true&donor=bmgf",
            "/AQnYUc1gmiCNV4JGLo3Dfg2q72Etrue8K7RPRWwjc0D4",
            "/01/05412345000013/EEarwSMXRuG_BtV3sJbXc94V2ieithG5oHw",
        ),
    ],
)
def test_full_and_partial_compression_agree_with_independent_software(uri: str, full: str, partial: str) -> None:
    link = DigitalLink.parse(uri)
    assert compress(link, "https://a", optimised=False) == f"https://a{full}"
    assert compress(link, "https://a/", partial=True, optimised=False) == f"https://a{partial}"
    for compressed in (full, partial):
        assert content(read_link(f"https://a{compressed}")) == content(link)


def test_the_key_can_stay_readable() -> None:
    link = DigitalLink.parse("https://id.gs1.org/01/09520123456788/21/12345")
    assert compress(link) == "https://id.gs1.org/DBFRJydaKAowOQ"
    assert compress(link, partial=True) == "https://id.gs1.org/01/09520123456788/IQUYHI"
    assert decompress("https://id.gs1.org/01/09520123456788/IQUYHI") == link


def test_what_the_form_cannot_hold_stays_in_the_query() -> None:
    link = DigitalLink.parse(
        "https://a/01/06901234567892?a=1&b.c=2&d=%E7%94%B2&e&f=%0A&g=%2B&12&%41=1&long=" + "x" * 128
    )
    compressed = compress(link, "https://a")
    assert compressed == "https://a/AQyNo0UVqeBaAEQ?b.c=2&d=%E7%94%B2&e&f=%0A&g=%2B&12&%41=1&long=" + "x" * 128
    assert content(decompress(compressed)) == content(link)


def test_parameters_of_the_site_can_be_left_alone() -> None:
    link = DigitalLink.parse("https://a/01/06901234567892?k1=v1")
    assert compress(link, extensions=False) == "https://id.gs1.org/AQyNo0UVqA?k1=v1"


def test_attributes_may_stand_in_the_query_of_a_compressed_link() -> None:
    link = decompress("https://a/p/AQyNo0UVqA?17=261130&utm=x")
    assert link == DigitalLink("https://a/p", (("01", "06901234567892"),), (("17", "261130"),), ("utm=x",))
    assert refusal("https://a/AQyNo0UVqA?01=06901234567892").endswith("(01) is there twice.")


def test_a_link_with_two_keys_keeps_the_right_one() -> None:
    link = DigitalLink.parse("https://a/8004/9520614141234567?01=09520123456788&10=A")
    assert decompress(compress(link)).path == link.path
    assert decompress(compress(link, partial=True)).path == link.path


def test_the_epc_of_a_tag_is_read_in_both_alphabets() -> None:
    expected = DigitalLink("https://a/p", (("01", "09528765123457"), ("21", "123456789123")))
    assert decompress("https://a/p/eh30164596f40c0e5cbe991a83") == expected
    assert decompress("https://a/p/exMBZFlvQMDly-mRqD") == expected
    assert refusal("https://a/eh3") == (
        "compressed Digital Link 'https://a/eh3': EPC binary string 'eh3': sgtin-96: expected 96 bits, got 8."
    )


# ---- what is none -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "fault"),
    [
        ("0000 0000 0000", "the bits end inside (00): expected 60 more, got 4."),
        ("1001 1001 000 0000001 0001", "Digital Link of '(99)1': none of its AIs is a Digital Link key."),
        ("0000 0001 0000 0000", "the bits end inside (01): expected 47 more, got 10."),
        ("1000 1001 0000 0000", "AI '89': no such application identifier."),
        ("0010 0011 1111 0000", "AI '23F': no such application identifier."),
        ("1011 1011 0000 0000", "code 'BB': no such optimisation."),
        ("00000001" + "1" * 47, "(01): expected 14 digits, got 140737488355327."),
        ("00000001" + format(6901234567891, "047b"), "(01) '06901234567891': check digit is 1, computed 2."),
        (GTIN_BITS + GTIN_BITS, "(01) is there twice."),
        (GTIN_BITS + "00001", "expected zeros behind bit 55, got 00001."),
        (GTIN_BITS + "00010000 101 00001 000000", "(10): encoding 5, expected 0 to 4."),
        (GTIN_BITS + "00010000 100 00001 0000001", "(10) '\\x01': '\\x01' at 1, expected GS1 AI character set 82."),
        (GTIN_BITS + "00010000 100 00000", "(10) '': expected 1 to 20 characters, got 0."),
        (GTIN_BITS + "1111 0000000 000 0000000", "key=value pair: expected a name that is no number, got ''."),
        (
            GTIN_BITS + "1111 0000010 110101 110110 000 0000000",
            "key=value pair: expected a name that is no number, got '12'.",
        ),
        (
            GTIN_BITS + "1111 0000001 000000 100 0000001 0001010",
            "key=value pair 'A': expected printable ASCII, got '\\n'.",
        ),
        (GTIN_BITS + "0011 0111" + "0001 0001", "Digital Link of '(01)06901234567892(37)1': (37) may not stand"),
    ],
)
def test_bits_that_are_no_link_say_why(bits: str, fault: str) -> None:
    uri = segment(bits)
    if "(37)" in fault:
        # Whether AIs belong together is for `associations`.
        assert decompress(uri).attributes == (("37", "1"),)
    else:
        assert refusal(uri) == f"compressed Digital Link {uri!r}: {fault}"


def test_a_refused_segment_has_a_code_and_a_place() -> None:
    with pytest.raises(ParseError) as caught:
        decompress("https://a/stem/uw")
    assert (caught.value.code, caught.value.at) == ("compression", 16)
    with pytest.raises(ParseError) as caught:
        decompress("https://a/stem/news.html")
    assert str(caught.value).endswith("expected a last segment of A-Z a-z 0-9 - _.")
    assert (caught.value.code, caught.value.at) == ("compression", 16)


def test_an_address_that_is_no_link_is_told_so_as_an_uncompressed_one() -> None:
    for uri in ("https://a/news", "https://a/about-us", "https://a/", "https://a/" + "-" * 2000):
        with pytest.raises(ParseError, match=r"no GS1 key in the path\.$|behind the last '/' of the path\.$"):
            read_link(uri)
    with pytest.raises(ParseError, match=r"check digit is 1, computed 2\.$"):
        read_link("https://a/01/06901234567891")


def test_more_than_64_compressed_elements_are_refused() -> None:
    with pytest.raises(LimitError, match=r"^compressed Digital Link: more than 64 elements\.$"):
        decompress("https://a/" + "A" * 7000)


# ---- properties ---------------------------------------------------------------------------------

CHARACTERS = {
    "digits": "0123456789",
    "GS1 AI character set 82": CSET_82,
    "GS1 AI character set 39": "#-/0123456789ABCXYZ",
    "base64url": "ABCxyz-_0123456789",
}
UNLINTED = [
    ai
    for ai, found in AI_TABLE.items()
    if found.dl_attribute and not any(each.linter_names for each in found.components)
]


@st.composite
def attributes(draw: st.DrawFn) -> tuple[str, str]:
    ai = draw(st.sampled_from(UNLINTED))
    value = ""
    for each in AI_TABLE[ai].components:
        if each.optional and draw(st.booleans()):
            break
        value += draw(st.text(CHARACTERS[each.charset.name], min_size=each.least, max_size=each.most))
    return ai, value


@given(
    st.dictionaries(st.sampled_from(["10", "21", "22"]), st.text(CSET_82, min_size=1, max_size=20)),
    st.lists(attributes(), max_size=6, unique_by=lambda element: element[0]),
    st.lists(st.from_regex(r"[a-z.%2B=+-]{1,9}", fullmatch=True), max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_what_is_compressed_comes_back(
    qualifiers: dict[str, str],
    found: list[tuple[str, str]],
    site: list[str],
    partial: bool,
    optimised: bool,
    extensions: bool,
) -> None:
    elements = {"01": "06901234567892", **qualifiers, **dict(found)}
    uri = to_uri(ElementString(tuple(elements.items())))
    link = replace(DigitalLink.parse(uri), extensions=tuple(site))
    compressed = compress(link, "https://a", partial=partial, optimised=optimised, extensions=extensions)
    assert content(read_link(compressed)) == content(link)


@given(st.text(BASE_64, max_size=60))
def test_any_segment_is_a_link_or_refused(text: str) -> None:
    for uri in (f"https://a/{text}", f"https://a/AQyNo0UVq{text}", f"https://a/01/06901234567892/{text}"):
        try:
            link = decompress(uri)
        except (ParseError, LimitError):
            continue
        assert content(decompress(compress(link, "https://a"))) == content(link)


def test_every_optimisation_saves_what_it_promises() -> None:
    assert len(OPTIMISATIONS) == 52
    assert all(list(ais) == sorted(ais) and set(ais) <= AI_TABLE.keys() for ais in OPTIMISATIONS.values())
    assert all(any(letter in "ABCDEF" for letter in code) for code in OPTIMISATIONS)
