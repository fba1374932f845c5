"""EPC URNs, patterns and their Digital Links: what the published rows say, and where the standard says otherwise."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, ValidationError
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.epc_keys import Bic, Gid
from trace.identifiers.epc_links import digital_link, key_of_link, link_to_urn, urn_to_link
from trace.identifiers.epc_pattern import EpcPattern, class_pattern
from trace.identifiers.epc_tag_pattern import TagPattern
from trace.identifiers.epc_tag_uri import TagUri
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.gs1_keys import (
    Cpi,
    Gcn,
    Gdti,
    Giai,
    Ginc,
    Gln,
    Grai,
    Gs1Key,
    Gsin,
    Gsrn,
    Gsrnp,
    Gtin,
    Itip,
    Pgln,
    Sgtin,
    Sscc,
    Upui,
    elements_of,
    key_of_elements,
)
from trace.identifiers.uris import key_from_uri, keys_of, uri_of

HOST = "trace.example.cn"

# ---- rows of the OpenEPCIS translator -----------------------------------------------------------
# It converts strings and does not ask whether a check digit is right. Each class of rows that the standards decide
# otherwise is one predicate here and one paragraph of docs/identifiers-epc.md.

KEY_DIGITS = {"00": 18, "01": 14, "253": 13, "255": 13, "402": 17, "414": 13, "417": 13, "8003": 14, "8006": 14}
KEY_DIGITS |= {"8017": 18, "8018": 18}


def is_unescaped_urn(text: str) -> bool:
    return text.startswith("urn:") and re.search(r'["&/<>?#]|%(?![0-9A-F]{2})', text) is not None


def is_no_uri(text: str) -> bool:
    """Characters that no URI has, an empty path segment, or a fragment where a value goes on."""
    return text.startswith("http") and (
        re.search(r'["<>#]|%(?![0-9A-Fa-f]{2})', text) is not None or text.count("//") > 1
    )


def has_wrong_check_digit(text: str) -> bool:
    match = re.search(r"/(00|01|253|255|402|414|417|8003|8006|8017|8018)/([0-9]+)", text)
    if match is None:
        return False
    digits = match[2][: KEY_DIGITS[match[1]]]
    return len(digits) == KEY_DIGITS[match[1]] and gs1_check_digit(digits[:-1]) != digits[-1]


def has_no_reference(text: str) -> bool:
    return text in ("urn:epc:idpat:cpi:164759476414..*", "https://id.gs1.org/401/656987789012")


def is_too_long(text: str) -> bool:
    return text == "https://id.gs1.org/8004/42512183.SENSOR.TR-07-AVE-583:1"


NEEDS_THE_PREFIX_REGISTER = "https://id.gs1.org/8010/12345678901234A/8011/1111"


def is_refused_by_the_standard(text: str) -> bool:
    rules = (is_unescaped_urn, is_no_uri, has_wrong_check_digit, has_no_reference, is_too_long)
    return any(rule(text) for rule in rules)


def rows(shared_data: Path, name: str) -> list[dict[str, Any]]:
    text = (shared_data / f"epcis/openepcis-translator/{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def check(row: dict[str, Any]) -> None:
    text, length = row["identifier"], row["gcpLength"]
    if text.startswith("urn:epc:idpat:"):
        if EpcPattern.parse(text).key is None:
            raise ValidationError("no class")
    elif text.startswith("urn:"):
        EpcUrn.parse(text)
    elif not row["epcisCompliant"] or ("?" in text and row["extra"] == ["validationContext"]):
        DigitalLink.parse(text)
        if length is not None and not 6 <= length <= 12:
            raise ValidationError("no company prefix is as long")
    elif length is None:
        key_of_link(text)
    else:
        link_to_urn(text, length)


def test_identifiers_are_accepted_and_refused_as_published(shared_data: Path) -> None:
    otherwise = 0
    for row in rows(shared_data, "validator"):
        text = row["identifier"]
        if row["valid"] and is_refused_by_the_standard(text):
            with pytest.raises((ParseError, ValidationError)):
                check(row)
            otherwise += 1
        elif row["valid"] or text == NEEDS_THE_PREFIX_REGISTER:
            check(row)
        else:
            with pytest.raises((ParseError, ValidationError)):
                check(row)
    assert otherwise < 45


def test_urns_become_the_published_links(shared_data: Path) -> None:
    for row in rows(shared_data, "converter"):
        if not row["fn"].startswith("toURI"):
            continue
        if not row["valid"] or has_no_reference(row["input"]):
            with pytest.raises((ParseError, ValidationError)):
                urn_to_link(row["input"])
            continue
        if is_unescaped_urn(row["input"]):
            with pytest.raises(ParseError, match=r"must be written %[0-9A-F]{2}\.$"):
                urn_to_link(row["input"])
        # The translator writes no percent triplets where the link must have them.
        assert unquote(urn_to_link(row["input"], lenient=True)) == unquote(row["expect"])


def test_links_become_the_published_urns(shared_data: Path) -> None:
    for row in rows(shared_data, "converter"):
        if not row["fn"].startswith("toURN"):
            continue
        length = row["arg2"]
        if length is None:
            # The translator looks into GS1's register; here the caller must.
            length = len(row["expect"].split(":")[4].split(".")[0]) if row["valid"] else 7
        if row["valid"] and not is_refused_by_the_standard(row["input"]):
            assert link_to_urn(row["input"], int(length)) == row["expect"]
        else:
            with pytest.raises((ParseError, ValidationError)):
                urn = link_to_urn(row["input"], int(length))
                # A class where one thing was asked for, or the other way round.
                assert (":idpat:" in urn or ":class:" in urn) != (row["fn"] == "toURN"), urn
                raise ValidationError("another kind")


def test_the_other_functions_of_the_translator_are_no_epcs(shared_data: Path) -> None:
    """CBV words are `trace.epcis`, printed short names such as /gtin/ are `digital_link`."""
    others = {row["fn"] for row in rows(shared_data, "converter") if not row["fn"].startswith("toUR")}
    words = {"toBareStringVocabulary", "toCbvVocabulary", "toUrnVocabulary", "toWebURIVocabulary"}
    assert others == words | {"shortNameReplacer"}


# ---- pure identities ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urn", "key", "link"),
    [
        ("urn:epc:id:sgtin:9521141.712345.32a%2Fb", Sgtin(Gtin("79521141123453"), "32a/b"),
         "/01/79521141123453/21/32a%2Fb"),
        ("urn:epc:id:sscc:9521141.1234567890", Sscc("195211412345678900"), "/00/195211412345678900"),
        ("urn:epc:id:sgln:952656789012..0", Gln("9526567890126"), "/414/9526567890126"),
        ("urn:epc:id:grai:9521141.12345.400", Grai("9521141123454", "400"), "/8003/09521141123454400"),
        ("urn:epc:id:giai:9521141.12345400", Giai("952114112345400"), "/8004/952114112345400"),
        ("urn:epc:id:gsrn:9521141.1234567890", Gsrn("952114112345678906"), "/8018/952114112345678906"),
        ("urn:epc:id:gsrnp:9521141.1234567890", Gsrnp("952114112345678906"), "/8017/952114112345678906"),
        ("urn:epc:id:gdti:9521141.12345.400", Gdti("9521141123454", "400"), "/253/9521141123454400"),
        ("urn:epc:id:cpi:9521141.123%2FABC.123456789", Cpi("9521141123/ABC", "123456789"),
         "/8010/9521141123%2FABC/8011/123456789"),
        ("urn:epc:id:sgcn:4012345.67890.04711", Gcn("4012345678901", "04711"), "/255/401234567890104711"),
        ("urn:epc:id:ginc:9521141.xyz3311cba", Ginc("9521141xyz3311cba"), "/401/9521141xyz3311cba"),
        ("urn:epc:id:gsin:9521141.123456789", Gsin("95211411234567892"), "/402/95211411234567892"),
        ("urn:epc:id:itip:9521141.012345.01.02.987", Itip(Gtin("09521141123454"), "01", "02", "987"),
         "/8006/095211411234540102/21/987"),
        ("urn:epc:id:upui:9521141.089456.51qIgY)%3C%26Jp3*j7'SDB", Upui(Gtin("09521141894569"), "51qIgY)<&Jp3*j7'SDB"),
         "/01/09521141894569/235/51qIgY%29%3C%26Jp3%2Aj7%27SDB"),
        ("urn:epc:id:pgln:9521141.89012", Pgln("9521141890127"), "/417/9521141890127"),
    ],
)  # fmt: skip
def test_examples_of_the_standard_are_the_same_key_in_all_forms(urn: str, key: Gs1Key, link: str) -> None:
    link = "https://id.gs1.org" + link
    parsed = EpcUrn.parse(urn)
    assert (parsed.key, str(parsed)) == (key, urn)
    assert urn_to_link(urn) == digital_link(key) == uri_of(key, HOST) == link
    assert link_to_urn(link, parsed.company_prefix_length or 0) == urn
    assert key_of_link(link) == key_from_uri(link, HOST) == key_of_elements(elements_of(key)) == key
    assert type(key).parse(str(key)) == key
    assert key in keys_of(elements_of(key))


def test_what_is_no_gs1_key_has_its_urn_as_its_uri() -> None:
    key = Gid("95100000", "12345", "400")
    assert uri_of(key, HOST) == "urn:epc:id:gid:95100000.12345.400"
    assert key_from_uri("urn:epc:id:gid:95100000.12345.400", HOST) == key
    with pytest.raises(ParseError, match=r"expected the canonical spelling 'https://id\.gs1\.org/00/"):
        key_from_uri("urn:epc:id:sscc:9521141.1234567890", HOST)
    with pytest.raises(ValidationError) as caught:
        urn_to_link("urn:epc:id:bic:CSQU3054383")
    assert str(caught.value) == (
        "EPC 'urn:epc:id:bic:CSQU3054383': expected a GS1 key or class, no Digital Link names this."
    )
    assert EpcUrn.parse("urn:epc:id:bic:CSQU3054383") == EpcUrn(Bic("CSQU3054383"), None)


SCHEMES = (
    "sgtin, sscc, sgln, grai, giai, gsrn, gsrnp, gdti, cpi, sgcn, ginc, gsin, itip, upui, pgln, gid, usdod, adi, bic, "
    "imovn, lgtin"
)


@pytest.mark.parametrize(
    ("urn", "why"),
    [
        ("urn:epc:id:sgtn:0614141.12345.400", f"expected urn:epc:id: or urn:epc:class: with {SCHEMES}."),
        ("urn:epc:id:sgtin", f"expected urn:epc:id: or urn:epc:class: with {SCHEMES}."),
        ("urn:epc:id:sgtin:0614141.112345", "expected company prefix, reference and serial number between dots."),
        ("urn:epc:id:sgtin:0614141.112345.a/b", "'/' must be written %2F."),
        ("urn:epc:id:sgtin:0614141.112345.a%2", "URI part 'a%2': expected two hexadecimal digits after '%' at 2."),
        ("urn:epc:id:grai:0614141.12345.", "expected a serial number in the last field."),
        ("urn:epc:id:gid:01.0.0", "GID manager '01': expected a number without leading zeros."),
        ("urn:epc:id:gid:268435456.0.0", "GID manager '268435456': expected at most 268435455."),
        ("urn:epc:id:cpi:0614141.12a.1", "CPI '061414112a': 'a' at 10, expected GS1 AI character set 39."),
        ("urn:epc:id:cpi:0614141.12.01", "CPI serial number '01': expected no leading zero."),
        ("urn:epc:id:itip:9521141.012345.1.02.987", "ITIP piece number '1': expected 2 digits, got 1."),
        ("urn:epc:id:adi:W81X9C.3KL.2#3", "'#' must be written %23."),
        ("urn:epc:id:sgcn:4012345.67890.4711a", "GCN serial component '4711a': expected digits only."),
        ("urn:epc:id:giai:0614141." + "x" * 390, "expected at most 400 characters, got 414."),
    ],
)  # fmt: skip
def test_a_refused_urn_says_why(urn: str, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        EpcUrn.parse(urn)
    assert str(caught.value) == f"EPC {urn[:80]!r}: {why}"


def test_a_key_that_has_no_epc_says_why() -> None:
    for key, length, why in (
        (Gtin("79521141123453"), 7, "EPC of 79521141123453: no EPC scheme names it."),
        (Grai("9521141123454"), 7, "EPC of 09521141123454: it names a class, expected a serial number."),
        (
            Giai("9521A41X"),
            7,
            "EPC of 9521A41X: expected a company prefix of 7 digits and a reference behind it.",
        ),
        (Gid("1", "2", "3"), 7, "EPC of Gid(manager='1', object_class='2', serial='3'): company prefix of 7, expected "
         "none."),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            EpcUrn(key, length)  # type: ignore[arg-type]
        assert str(caught.value) == why


def test_an_unescaped_urn_is_read_where_that_is_allowed_and_written_right() -> None:
    urn = EpcUrn.parse('urn:epc:id:ginc:48493047.3"%/%&', lenient=True)
    assert urn == EpcUrn(Ginc('484930473"%/%&'), 8)
    assert str(urn) == "urn:epc:id:ginc:48493047.3%22%25%2F%25%26"


def test_a_link_that_says_more_than_a_key_stands_for_no_thing() -> None:
    for uri, why in (
        ("https://id.gs1.org/01/79521141123453/21/A?17=261130", "expected a key alone, got (17) besides."),
        ("https://id.gs1.org/01/79521141123453/21/A#b", "expected a key alone, got a fragment at 42."),
    ):
        with pytest.raises(ParseError) as caught:
            key_of_link(uri)
        assert str(caught.value) == f"Digital Link {uri!r}: {why}"


# ---- patterns -----------------------------------------------------------------------------------


def test_patterns_name_the_published_class(shared_data: Path) -> None:
    text = (shared_data / "epcis/epc-tds/epcpy/vectors.jsonl").read_text(encoding="utf-8")
    patterns = [row for row in map(json.loads, text.splitlines()) if "idpat" in row]
    for row in patterns:
        pattern = EpcPattern.parse(row["idpat"])
        assert str(pattern) == row["idpat"]
        if not row["valid"]:
            # Valid by the grammar of 8.1; what epcpy refuses is to give a key for it.
            assert pattern.key is None
        elif pattern.key is not None:
            assert str(pattern.key) == row["gs1_key"].zfill(14)
        elif "*" in pattern.fields:
            assert "".join(pattern.fields) == row["gs1_key"]
        else:
            urn = EpcUrn.parse(row["idpat"].replace(":idpat:", ":id:"))
            assert pattern.matches(urn) and str(urn.key) == row["gs1_key"]
    assert len(patterns) == 11


def test_a_pattern_matches_what_has_the_same_known_fields() -> None:
    item = EpcUrn.parse("urn:epc:id:sgtin:0652642.800031.400")
    for text, matches in (
        ("urn:epc:idpat:sgtin:*.*.*", True),
        ("urn:epc:idpat:sgtin:0652642.*.*", True),
        ("urn:epc:idpat:sgtin:0652642.800031.*", True),
        ("urn:epc:idpat:sgtin:0652642.800031.400", True),
        ("urn:epc:idpat:sgtin:0652642.800031.0400", False),
        ("urn:epc:idpat:sgtin:06526428.00031.*", False),
        ("urn:epc:idpat:upui:0652642.*.*", False),
    ):
        assert EpcPattern.parse(text).matches(item) == matches, text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("urn:epc:idpat:sgtin:*.800031.*", "a star stands behind the last known field only."),
        ("urn:epc:idpat:sgtin:06526.*.*", "expected a company prefix of 6 to 12 digits and 13 digits with the "
         "reference, got '06526' and '00000000'."),
        ("urn:epc:idpat:itip:4012345.012345.01.*.*", "piece and total are both known or both a star."),
        ("urn:epc:idpat:sgtin:0652642.*", "expected company prefix, reference and serial number between dots."),
        ("urn:epc:idpat:gid:95100000.*.0", "a star stands behind the last known field only."),
        ("urn:epc:idpat:adi:W81I9C.*.*", "CAGE code or DoDAAC 'W81I9C': expected 5 or 6 of 0-9 A-Z without I and O."),
    ],
)  # fmt: skip
def test_a_refused_pattern_says_why(text: str, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        EpcPattern.parse(text)
    assert str(caught.value) == f"EPC pattern {text!r}: {why}"


def test_a_class_with_a_serial_number_is_none() -> None:
    with pytest.raises(ValidationError) as caught:
        class_pattern(Grai("9521141123454", "400"), 7)
    assert str(caught.value) == "EPC pattern of 09521141123454400: expected a class, without serial number."


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).map(lambda text: text + gs1_check_digit(text))


CLASSES = st.one_of(
    st.builds(Gtin, digits(13)),
    st.builds(Grai, digits(12)),
    st.builds(Gdti, digits(12)),
    st.builds(Gcn, digits(12)),
    st.builds(Cpi, st.from_regex(r"[0-9]{12}[A-Z0-9#/-]{1,18}", fullmatch=True)),
    st.builds(Itip, st.builds(Gtin, digits(13)), st.just("01"), st.just("02")),
)


@given(CLASSES, st.integers(6, 12))
def test_classes_round_trip_through_pattern_and_link(key: Any, prefix_length: int) -> None:
    pattern = class_pattern(key, prefix_length)
    assert pattern.key == key
    assert EpcPattern.parse(str(pattern)) == pattern
    assert link_to_urn(urn_to_link(str(pattern)), prefix_length) == str(pattern)


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.booleans())
def test_any_text_is_a_urn_or_refused(text: str, lenient: bool) -> None:
    for prefix in ("", "urn:epc:id:sgtin:", "urn:epc:id:cpi:0614141.", "urn:epc:id:adi:", "urn:epc:id:bic:"):
        try:
            urn = EpcUrn.parse(prefix + text, lenient=lenient)
        except (ParseError, ValidationError):
            continue
        assert EpcUrn.parse(str(urn)) == urn


# ---- tag patterns (section 13) -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("sgtin-96:3.0614141.112345.*", "sgtin-96:3.0614141.112345.7", "sgtin-96:2.0614141.112345.7"),
        ("sgtin-96:*.0614141.112345.*", "sgtin-96:2.0614141.112345.0", "sgtin-96:2.0614141.112346.0"),
        ("sgtin-96:*.0614141.*.*", "sgtin-96:2.0614141.912345.0", "sgtin-96:2.614141.0112345.0"),
        ("sgtin-96:*.*.*.*", "sgtin-96:0.0614141.112345.1", "sgtin-198:0.0614141.112345.1"),
        ("sgtin-96:[1-3].*.*.*", "sgtin-96:3.0614141.112345.1", "sgtin-96:4.0614141.112345.1"),
        ("sgtin-96:3.0652642.[1024-2047].*", "sgtin-96:3.0652642.001024.1", "sgtin-96:3.0652642.002048.1"),
        ("sgtin-96:3.0652642.001024.[5-9]", "sgtin-96:3.0652642.001024.9", "sgtin-96:3.0652642.001024.10"),
        ("sgtin-198:*.0614141.112345.A%2F7", "sgtin-198:1.0614141.112345.A%2F7", "sgtin-198:1.0614141.112345.A7"),
        ("sscc-96:*.0614141.*", "sscc-96:2.0614141.1234567890", "sscc-96:2.0614142.1234567890"),
        ("giai-96:*.0614141.[5-100]", "giai-96:0.0614141.99", "giai-96:0.0614141.101"),
        ("cpi-var:*.0614141.*.[1-5]", "cpi-var:0.0614141.A-1.5", "cpi-var:0.0614141.A-1.6"),
        ("itip-110:*.0614141.012345.*.*.*", "itip-110:4.0614141.012345.01.02.7", "itip-110:4.0614141.012346.01.02.7"),
        ("gid-96:31415.[1-7].*", "gid-96:31415.7.1", "gid-96:31415.8.1"),
        ("usdod-96:*.CAGEY.*", "usdod-96:3.CAGEY.5678", "usdod-96:3.CAGEZ.5678"),
        ("adi-var:*.35962.*.*", "adi-var:1.35962.PQ7VZ4.M37", "adi-var:1.35963.PQ7VZ4.M37"),
    ],
)
def test_a_tag_pattern_takes_the_tags_of_its_set_and_no_other(pattern: str, inside: str, outside: str) -> None:
    read = TagPattern.parse(f"urn:epc:pat:{pattern}")
    assert str(read) == f"urn:epc:pat:{pattern}"
    assert read.matches(TagUri.parse(f"urn:epc:tag:{inside}"))
    assert not read.matches(TagUri.parse(f"urn:epc:tag:{outside}"))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("sgtin-96:8.*.*.*", "filter value 8: expected 0 to 7."),
        ("sgtin-96:3.*.112345.*", "behind a star for the company prefix, expected one for the reference."),
        ("sgtin-96:3.[1-2].*.*", "company prefix [1-2]: expected digits or a star."),
        ("sgtin-96:3.0614141.112345.[5-3]", "range '[5-3]': expected the lower number first."),
        ("sgtin-96:3.0614141.112345.[05-7]", "range '[05-7]': expected [from-to], two numbers without leading zeros."),
        ("sgtin-96:3.0614141.112345.[0-274877906944]", "expected a number up to 274877906943 without leading zeros."),
        ("sgtin-198:3.0614141.112345.[3-5]", "[3-5]: this field of sgtin-198 is text, expected no range."),
        ("sgtin-97:*.*.*.*", "expected scheme sgtin-96 or sgtin-198, got 'sgtin-97'."),
        ("sgtin+:*.*.*.*", "expected a scheme such as sgtin-96, got 'sgtin+'."),
        ("upui-96:*.*.*.*", "a tag holds items, logistic units and places, not a lot."),
        ("itip-110:*.0614141.012345.01.*.*", "piece and total are both known or both a star."),
        ("sgtin-96:3", "expected a filter value, a dot and fields, got '3'."),
        ("sgtin-96:3.0614141.112345", "expected company prefix, reference and serial number between dots."),
        ("[umi=1]:sgtin-96:*.*.*.*", "expected a scheme such as sgtin-96, got '[umi=1]'."),
    ],
)
def test_a_tag_pattern_that_cannot_be_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(ParseError) as refused:
        TagPattern.parse(f"urn:epc:pat:{pattern}")
    assert str(refused.value).startswith(f"EPC tag pattern 'urn:epc:pat:{pattern}': ")
    assert str(refused.value).endswith(why)


@given(st.integers(0, 7), st.integers(6, 12), st.integers(0, 10**13 - 1), st.integers(0, 2**38 - 1), st.data())
def test_every_range_around_a_tag_takes_it(
    filter_value: int, length: int, number: int, serial: int, data: st.DataObject
) -> None:
    digits = f"{number:013}"
    prefix, reference = digits[:length], digits[length:]
    tag = TagUri.parse(f"urn:epc:tag:sgtin-96:{filter_value}.{prefix}.{reference}.{serial}")
    low = data.draw(st.integers(0, serial))
    high = data.draw(st.integers(serial, 2**38 - 1))
    around = f"[{int(reference)}-{int(reference)}]"
    assert TagPattern.parse(f"urn:epc:pat:sgtin-96:*.{prefix}.{around}.[{low}-{high}]").matches(tag)
    if low < serial:
        assert not TagPattern.parse(f"urn:epc:pat:sgtin-96:*.*.*.[{low}-{serial - 1}]").matches(tag)
