"""RFID tags: EPC binaries and pure identity URIs, both ways, and the many tags that carry no GS1 number."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, ValidationError
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.epc_binary import EpcValue, PcWord, decode, encode
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.gs1_keys import Gln, Gtin, Lgtin, Sgln, Sgtin, Sscc

CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"
SCHEMES = ("SGTIN", "SSCC", "SGLN")


def vectors(shared_data: Path) -> Iterator[dict[str, Any]]:
    """All published rows of the schemes that we read."""
    rows = json.loads((shared_data / "hardware/epc_uri.json").read_text(encoding="utf-8"))["rows"]
    for name in ("epcpy", "tds23"):
        text = (shared_data / f"epcis/epc-tds/{name}/vectors.jsonl").read_text(encoding="utf-8")
        rows += [json.loads(line) for line in text.splitlines()]
    for row in rows:
        row["uri"] = row.get("uri") or row.get("pure_identity")
        row["tag_uri"] = row.get("tag_uri") or row.get("tag_encoding")
        if row.get("scheme", "").split("-")[0] in SCHEMES and row["uri"]:
            yield row


def test_pure_identities_are_accepted_and_refused_as_published(shared_data: Path) -> None:
    for row in vectors(shared_data):
        if "kwargs" in row:
            continue  # faults of other kinds: below
        if row.get("valid", True):
            assert str(EpcUrn.parse(row["uri"])) == row["uri"]
        else:
            with pytest.raises(ParseError):
                EpcUrn.parse(row["uri"])


def test_pure_identities_name_the_published_key(shared_data: Path) -> None:
    read = 0
    for row in vectors(shared_data):
        if not row.get("valid", True) or "gs1_element_string" not in row:
            continue
        urn = EpcUrn.parse(row["uri"])
        expected = row["gs1_element_string"]
        assert str(urn.key) == (expected.removeprefix("(00)") if isinstance(urn.key, Sscc) else expected)
        assert urn.company_prefix_length == row["company_prefix_length"]
        read += 1
    assert read > 10


def test_binaries_are_read_and_written_as_published(shared_data: Path) -> None:
    done = 0
    for row in vectors(shared_data):
        if not row.get("hex"):
            continue
        _, _, _, scheme, rest = row["tag_uri"].split(":", 4)
        filter_value = int(rest.partition(".")[0])
        urn = EpcUrn.parse(row["uri"])
        assert decode(bytes.fromhex(row["hex"])) == EpcValue(
            row["uri"], scheme, urn.key, filter_value, urn.company_prefix_length, None
        )
        assert encode(urn, filter_value=filter_value, scheme=scheme).hex().upper() == row["hex"]
        done += 1
    assert done > 20


def test_keys_that_do_not_fit_a_scheme_are_refused_as_published(shared_data: Path) -> None:
    refused = 0
    for row in vectors(shared_data):
        kwargs = row.get("kwargs", {})
        if row.get("valid", True) or "binary_coding_scheme" not in kwargs:
            continue
        scheme = kwargs["binary_coding_scheme"].rpartition(".")[2].lower().replace("_", "-")
        with pytest.raises((ParseError, ValidationError)):
            encode(EpcUrn.parse(row["uri"]), scheme=scheme)
        refused += 1
    assert refused >= 3


def test_tag_reports_of_recorded_readers_give_the_published_uri(shared_data: Path) -> None:
    rows = json.loads((shared_data / "hardware/tag_report_to_uri.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        value = decode(bytes.fromhex(row["epc"]), None if row["pc"] is None else int(row["pc"], 16))
        assert value.uri == row["uri"], row
        assert (value.key is None) == (value.why_raw is not None)


def test_pc_words_are_taken_apart_as_recorded(shared_data: Path) -> None:
    for row in json.loads((shared_data / "hardware/pc_words.json").read_text(encoding="utf-8"))["rows"]:
        expected = row["expect"]
        assert PcWord.from_int(int(row["pc"], 16)) == PcWord(
            expected["epc_bytes"],
            bool(expected["umi"]),
            bool(expected["xi"]),
            int(expected["afi"], 16) if expected["toggle"] else None,
        )


# ---- what is no GS1 number ----------------------------------------------------------------------

SGTIN_96 = bytes.fromhex("300833B2DDD9014000000001")


def test_the_pc_word_and_not_the_frame_says_how_long_the_epc_is() -> None:
    assert decode(SGTIN_96 + b"\xab\xcd", 0x3000).uri == "urn:epc:id:sgtin:0867360217.005.1"
    assert decode(SGTIN_96, 0x2000).uri == "urn:epc:raw:64.x300833B2DDD90140"
    assert decode(SGTIN_96[:8], 0x3000).why_raw == "PC word 3000 announces 12 bytes, got 8."


def test_a_tag_with_the_toggle_bit_is_no_epc_whatever_it_looks_like() -> None:
    assert decode(SGTIN_96, 0x31C1) == EpcValue(
        "urn:epc:raw:96.xC1.x300833B2DDD9014000000001",
        None,
        None,
        None,
        None,
        "PC word 31C1 has the toggle bit: AFI C1, no EPC.",
    )


@pytest.mark.parametrize(
    ("epc", "why"),
    [
        ("E2801170000002000000ABCD", "header E2 is none of a GS1 scheme that is read here."),
        ("", "nothing is written in the EPC bank."),
        ("301C33B2DDD9014000000001", "sgtin-96: partition is 7, expected 0 to 6."),
        ("3003FFFFFFFFFC0000000001", "sgtin-96: company prefix is 1099511627775, expected at most 12 digits."),
        ("300833B2DDD90140000001", "sgtin-96: expected 96 bits, got 88."),
        ("300833B2DDD901400000000100FF", "sgtin-96: expected zeros behind 96 bits."),
        ("3174257BF4499602D2000001", "sscc-96: expected 24 zero bits at the end."),
        (
            "36A579D5D4ADB6172574B98B34C0000000000000000000000400",
            "sgtin-198: expected no zero character inside the serial number.",
        ),
    ],
)
def test_a_tag_without_a_gs1_number_is_raw_and_says_why(epc: str, why: str) -> None:
    value = decode(bytes.fromhex(epc))
    assert value.why_raw == why
    assert value.uri == f"urn:epc:raw:{len(epc) * 4}.x{epc}"
    assert value.key is None


def test_an_encoding_that_cannot_be_says_why() -> None:
    gtin = Gtin("06901234567892")
    for urn, scheme, why in (
        (
            EpcUrn(Sgtin(gtin, "007"), 8),
            "sgtin-96",
            "sgtin-96: serial '007', expected a number up to 274877906943 without leading zeros.",
        ),
        (
            EpcUrn(Lgtin(gtin, "L"), 8),
            None,
            "urn:epc:class:lgtin:69012345.06789.L: a tag holds items, logistic units and places, not a lot.",
        ),
        (
            EpcUrn(Sscc("106141412345678908"), 7),
            "sgtin-96",
            "urn:epc:id:sscc:0614141.1234567890: expected scheme sscc-96, got 'sgtin-96'.",
        ),
    ):
        with pytest.raises(ValidationError) as caught:
            encode(urn, scheme=scheme)
        assert str(caught.value) == why
    with pytest.raises(ValidationError, match=r"^EPC of 9520000000011: company prefix of 5, expected 6 to 12\.$"):
        EpcUrn(Gln("9520000000011"), 5)
    with pytest.raises(ValidationError, match="extension 0 stands for no extension there"):
        EpcUrn(Sgln(Gln("9520000000011"), "0"), 7)


def test_a_place_without_extension_is_its_gln() -> None:
    assert EpcUrn.parse("urn:epc:id:sgln:0614141.12345.0") == EpcUrn(Gln("0614141123452"), 7)


@pytest.mark.parametrize(
    ("urn", "why"),
    [
        ("urn:epc:id:grai:0614141.12345.400", "expected urn:epc:id: with sgtin, sscc or sgln, or urn:epc:class:lgtin."),
        ("urn:epc:id:sgtin:0614141.112345", "expected company prefix, reference and serial number between dots."),
        ("urn:epc:id:sgtin:0614141.112345.a/b", "'/' must be written %2F."),
        ("urn:epc:id:sgtin:0614141.112345.a%2", "URI part 'a%2': expected two hexadecimal digits after '%' at 2."),
    ],
)
def test_a_refused_urn_says_why(urn: str, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        EpcUrn.parse(urn)
    assert str(caught.value) == f"EPC {urn!r}: {why}"


# ---- round trips --------------------------------------------------------------------------------


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).map(lambda text: text + gs1_check_digit(text))


TEXT = st.text(CSET_82, min_size=1, max_size=20)
TAGGED = st.one_of(
    st.builds(Sgtin, st.builds(Gtin, digits(13)), TEXT | st.integers(0, 2**40).map(str)),
    st.builds(Sscc, digits(17)),
    st.builds(Gln, digits(12)),
    st.builds(Sgln, st.builds(Gln, digits(12)), TEXT.filter(lambda text: text != "0")),
)


@given(TAGGED, st.integers(6, 12), st.integers(0, 7))
def test_keys_round_trip_through_tag_and_urn(key: Any, prefix_length: int, filter_value: int) -> None:
    urn = EpcUrn(key, prefix_length)
    assert EpcUrn.parse(str(urn)) == urn
    epc = encode(urn, filter_value=filter_value)
    value = decode(epc, len(epc) // 2 << 11)
    assert (value.key, value.company_prefix_length, value.filter_value) == (key, prefix_length, filter_value)
    assert value.uri == str(urn)


@given(st.binary(max_size=40), st.none() | st.integers(0, 0xFFFF))
def test_any_tag_gives_a_result(epc: bytes, pc: int | None) -> None:
    assert decode(epc, pc).uri.startswith("urn:epc:")


@given(st.sampled_from([0x30, 0x31, 0x32]), st.binary(min_size=11, max_size=11))
def test_what_is_decoded_from_a_tag_is_encoded_to_the_same_tag(header: int, rest: bytes) -> None:
    epc = bytes([header]) + rest
    value = decode(epc)
    if value.key is not None:
        urn = EpcUrn.parse(value.uri)
        assert encode(urn, filter_value=value.filter_value or 0, scheme=value.scheme) == epc
