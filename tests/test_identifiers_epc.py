"""RFID tags: EPC binaries of all schemes before TDS 2, both ways, and the many tags that carry no GS1 number."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, ValidationError
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.epc_binary import (
    SCHEME_NAMES,
    EpcFault,
    EpcValue,
    FaultCode,
    PcWord,
    decode,
    decode_hex,
    encode,
)
from trace.identifiers.epc_keys import Adi, Bic, Gid, UsDod
from trace.identifiers.epc_tag_uri import TagUri, raw_to_bank
from trace.identifiers.epc_urn import EpcUrn
from trace.identifiers.epc_xpc import XpcWord
from trace.identifiers.gs1_keys import (
    Cpi,
    Gcn,
    Gdti,
    Giai,
    Gln,
    Grai,
    Gsrn,
    Gsrnp,
    Gtin,
    Itip,
    Lgtin,
    Sgln,
    Sgtin,
    Sscc,
    elements_of,
)

CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"
CSET_39 = "#-/0123456789ABCXYZ"


def vectors(shared_data: Path) -> list[dict[str, Any]]:
    """All published rows about single EPCs."""
    rows: list[dict[str, Any]] = json.loads((shared_data / "hardware/epc_uri.json").read_text(encoding="utf-8"))["rows"]
    text = (shared_data / "epcis/epc-tds/epcpy/vectors.jsonl").read_text(encoding="utf-8")
    rows += [json.loads(line) for line in text.splitlines()]
    return [row for row in rows if "uri" in row]


def worked_examples(shared_data: Path) -> list[dict[str, Any]]:
    """TDS 2.3, annex E."""
    text = (shared_data / "epcis/epc-tds/tds23/vectors.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def scheme_asked_for(row: dict[str, Any]) -> str | None:
    name: str = row.get("kwargs", {}).get("binary_coding_scheme", "")
    return name.rpartition(".")[2].lower().replace("_", "-") or None


def scheme_of(uri: str) -> str | None:
    try:
        return EpcUrn.parse(uri).scheme.name
    except ParseError:
        return None


def same_bits(one: str, other: str) -> bool:
    """Some files fill to a word, some to a digit, some not at all."""
    return one.upper().rstrip("0") == other.upper().rstrip("0")


def test_pure_identities_are_accepted_and_refused_as_published(shared_data: Path) -> None:
    refused = 0
    for row in vectors(shared_data):
        if row["valid"]:
            assert str(EpcUrn.parse(row["uri"])) == row["uri"]
        elif scheme_asked_for(row):
            with pytest.raises((ParseError, ValidationError)):
                encode(EpcUrn.parse(row["uri"]), scheme=scheme_asked_for(row))
            refused += 1
        elif "gtin_type" in row.get("kwargs", {}):
            # Fault of the question: a GTIN of fewer digits has zeros in front.
            key = EpcUrn.parse(row["uri"]).key
            assert isinstance(key, Sgtin | Lgtin)
            digits = int(str(row["kwargs"]["gtin_type"]).removeprefix("GTIN"))
            assert not key.gtin.digits.startswith("0" * (14 - digits))
        elif f":{row['scheme'].lower()}:" not in row["uri"]:
            # Misspelt schemes, and one scheme where another was asked for.
            assert scheme_of(row["uri"]) != row["scheme"].lower()
            refused += 1
        else:
            with pytest.raises(ParseError):
                EpcUrn.parse(row["uri"])
            refused += 1
    assert refused > 100


def test_pure_identities_name_the_published_key(shared_data: Path) -> None:
    read = 0
    for row in vectors(shared_data):
        if "gs1_element_string" in row:
            urn = EpcUrn.parse(row["uri"])
            assert not isinstance(urn.key, Gid | UsDod | Adi | Bic)
            assert "".join(f"({ai}){value}" for ai, value in elements_of(urn.key)) == row["gs1_element_string"]
            assert urn.company_prefix_length == row["company_prefix_length"]
            read += 1
    assert read > 60


def test_binaries_are_read_and_written_as_published(shared_data: Path) -> None:
    done = 0
    for row in vectors(shared_data):
        if not row.get("hex"):
            continue
        value = decode_hex(row["hex"])
        urn = EpcUrn.parse(row["uri"])
        assert (value.uri, value.tag_uri, value.key, value.fault) == (row["uri"], row["tag_uri"], urn.key, None)
        assert value.company_prefix_length == urn.company_prefix_length
        written = encode(urn, filter_value=value.filter_value or 0, scheme=value.scheme)
        assert same_bits(written.hex(), row["hex"])
        tag = TagUri.parse(row["tag_uri"])
        assert (str(tag), tag.to_bank()) == (row["tag_uri"], (len(written) // 2 << 11, written))
        done += 1
    assert done > 60


def test_worked_examples_of_the_standard_are_read_and_written(shared_data: Path) -> None:
    for row in worked_examples(shared_data):
        value = decode_hex(row["hex"])
        filter_value = int(row["params"].get("filter", 0))
        assert (value.scheme, value.fault, value.warnings) == (row["scheme"].lower(), None, ())
        assert (value.filter_value or 0) == filter_value
        assert row.get("tag_encoding") == value.tag_uri
        assert row.get("pure_identity", value.uri) == value.uri
        assert row.get("gs1_digital_link", value.digital_link) == value.digital_link
        if "legacy_ai" in row:
            assert value.key is not None and not isinstance(value.key, Gid | UsDod | Adi)
            assert "".join(f"({ai}){text}" for ai, text in elements_of(value.key)) == row["legacy_ai"]  # type: ignore[arg-type]
        epc: Any = value.key if value.tag_uri is None else EpcUrn.parse(value.uri)
        written = encode(epc, filter_value=filter_value, scheme=value.scheme, hostname=value.hostname)
        assert same_bits(written.hex(), row["hex"]), row["name"]


def test_every_header_of_the_standard_is_known(shared_data: Path) -> None:
    headers = json.loads((shared_data / "epcis/epc-tds/tds23/headers.json").read_text(encoding="utf-8"))
    assert sorted(name.lower() for name in headers) == sorted(SCHEME_NAMES)
    for name, header in headers.items():
        why = decode_hex(header + "00000001").why_raw
        assert why is None or why.startswith(f"{name.lower()}: ")


def test_tag_reports_of_recorded_readers_give_the_published_uri(shared_data: Path) -> None:
    rows = json.loads((shared_data / "hardware/tag_report_to_uri.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        value = decode(bytes.fromhex(row["epc"]), None if row["pc"] is None else int(row["pc"], 16))
        assert value.uri == row["uri"], row
        assert (value.key is None) == (value.why_raw is not None)


def test_pc_words_are_taken_apart_as_recorded_and_put_together_again(shared_data: Path) -> None:
    for row in json.loads((shared_data / "hardware/pc_words.json").read_text(encoding="utf-8"))["rows"]:
        expected = row["expect"]
        word = PcWord.from_int(int(row["pc"], 16))
        assert word == PcWord(
            expected["epc_bytes"],
            bool(expected["umi"]),
            bool(expected["xi"]),
            int(expected["afi"], 16) if expected["toggle"] else None,
            0 if expected["toggle"] else int(expected["low8"], 16),
        )
        assert word.to_int() == int(row["pc"], 16)


def test_the_extended_word_says_what_the_tag_can_do() -> None:
    word = XpcWord.from_bytes(b"\x08\x85")
    assert [name for name in XpcWord.__slots__ if getattr(word, name)] == [
        "sensor_alarm",
        "battery_assisted",
        "killable",
        "hazardous",
    ]
    with pytest.raises(ParseError, match=r"^XPC word '08': expected 2 bytes, got 1\.$"):
        XpcWord.from_bytes(b"\x08")


# ---- what is no GS1 number ----------------------------------------------------------------------

SGTIN_96 = bytes.fromhex("300833B2DDD9014000000001")


def test_the_pc_word_and_not_the_frame_says_how_long_the_epc_is() -> None:
    assert decode(SGTIN_96 + b"\xab\xcd", 0x3000).uri == "urn:epc:id:sgtin:0867360217.005.1"
    assert decode(SGTIN_96, 0x2000).uri == "urn:epc:raw:64.x300833B2DDD90140"
    assert decode(SGTIN_96[:8], 0x3000).why_raw == "PC word 3000 announces 12 bytes, got 8."


def test_what_stands_behind_a_scheme_of_fixed_length_is_cut_off() -> None:
    """Section 14.4, step 3: readers give whole words, and some the whole bank."""
    assert decode(SGTIN_96 + b"\x00\xff").uri == "urn:epc:id:sgtin:0867360217.005.1"


def test_more_bits_than_a_tag_can_hold_are_cut_off_too() -> None:
    part = encode(EpcUrn.parse("urn:epc:id:adi:2S194..12345678901"))
    assert decode(part + b"\xff" * 100_000).uri == "urn:epc:id:adi:2S194..12345678901"
    assert decode(b"\x3b" + b"\x41" * 100_000).fault is not None
    item = encode(Sscc("095201234567891235"), scheme="sscc+")
    assert decode(item + b"\0" * 100_000).warnings == ()


def test_a_tag_with_the_toggle_bit_is_no_epc_whatever_it_looks_like() -> None:
    raw = "urn:epc:raw:96.xC1.x300833B2DDD9014000000001"
    why = "PC word 31C1 has the toggle bit: AFI C1, no EPC."
    assert decode(SGTIN_96, 0x31C1) == EpcValue(
        raw, None, None, None, None, raw, EpcFault(FaultCode.AFI, 0, "EPC", why)
    )


def test_control_fields_stand_in_the_tag_uri_and_not_in_the_identity() -> None:
    value = decode(SGTIN_96, 0x3601, b"\0\3")
    assert value.tag_uri == "urn:epc:tag:[att=x01][umi=1][xpc-w1=x0003]:sgtin-96:0.0867360217.005.1"
    assert TagUri.parse(value.tag_uri) == TagUri("sgtin-96", EpcUrn.parse(value.uri), 0, True, 1)
    assert decode(SGTIN_96, 0x3200, b"\x80\0\0\1").tag_uri == (
        "urn:epc:tag:[xpc-w1=x8000][xpc=x80000001]:sgtin-96:0.0867360217.005.1"
    )
    assert value.uri == "urn:epc:id:sgtin:0867360217.005.1"
    assert decode(b"\xe2" * 12, 0x3400).tag_uri == "urn:epc:raw:[umi=1]:96.x" + "E2" * 12


@pytest.mark.parametrize(
    ("epc", "code", "at", "field", "why"),
    [
        ("E2801170000002000000ABCD", "epc_header", 0, "header", "header E2 is none of a scheme of EPC Tag Data "
         "Standard 2.3."),
        ("", "epc_empty", 0, "EPC", "nothing is written in the EPC bank."),
        ("000000000000", "epc_empty", 0, "EPC", "nothing is written in the EPC bank."),
        ("301C33B2DDD9014000000001", "epc_field", 11, "company prefix and reference",
         "sgtin-96: partition is 7, expected 0 to 6."),
        ("3003FFFFFFFFFC0000000001", "epc_field", 11, "company prefix and reference",
         "sgtin-96: company prefix is 1099511627775, expected at most 12 digits."),
        ("3014257BF7FFFFC000000001", "epc_field", 11, "company prefix and reference",
         "sgtin-96: reference is 1048575, expected at most 6 digits."),
        ("300833B2DDD90140000001", "epc_length", 0, "EPC", "sgtin-96: expected 96 bits, got 88."),
        ("3174257BF4499602D2000001", "epc_field", 72, "reserved bits", "sscc-96: expected 24 zero bits at the end."),
        ("36A579D5D4ADB6172574B98B34C0000000000000000000000400", "epc_field", 58, "serial number",
         "sgtin-198: expected no zero character inside the serial number."),
        ("3F76451FD612640000000000", "epc_field", 55, "serial",
         "sgcn-96: serial is 0, expected a 1 and digits behind it."),
        ("3B000000000000000000", "epc_field", 0, "EPC",
         "adi-var: CAGE code or DoDAAC '@@@@@@': expected 5 or 6 of 0-9 A-Z without I and O."),
        ("3B0E0CB2CF73D2155555", "epc_field", 50, "part number", "adi-var: part number 'REUUU': expected a zero "
         "character behind it."),
        ("3D1C257BF71CB3D35DB7", "epc_length", 0, "EPC", "cpi-var: expected 86 bits, got 80."),
        ("F7F795211411234538566C", "epc_field", 68, "(21)", "sgtin+: (21): expected 7 bits more, got 5."),
    ],
)  # fmt: skip
def test_a_tag_without_a_gs1_number_is_raw_and_says_why(epc: str, code: str, at: int, field: str, why: str) -> None:
    value = decode(bytes.fromhex(epc))
    assert value.fault is not None
    assert (value.why_raw, value.fault.code, value.fault.field) == (why, code, field)
    assert value.fault.at == at
    assert value.uri == f"urn:epc:raw:{len(epc) * 4}.x{epc}"
    assert value.key is None and value.digital_link is None


def test_an_encoding_that_cannot_be_says_why() -> None:
    gtin = Gtin("06901234567892")
    item = EpcUrn(Sgtin(gtin, "007"), 8)
    for urn, kwargs, why in (
        (
            item,
            {"scheme": "sgtin-96"},
            "sgtin-96: serial '007', expected a number up to 274877906943 without leading zeros.",
        ),
        (
            EpcUrn(Lgtin(gtin, "L"), 8),
            {},
            "urn:epc:class:lgtin:69012345.06789.L: a tag holds items, logistic units and places, not a lot.",
        ),
        (
            EpcUrn(Sscc("106141412345678908"), 7),
            {"scheme": "sgtin-96"},
            "urn:epc:id:sscc:0614141.1234567890: expected scheme sscc-96, got 'sgtin-96'.",
        ),
        (item, {"filter_value": 8}, "filter value 8: expected 0 to 7."),
        (EpcUrn(Gid("1", "2", "3"), None), {"filter_value": 1}, "filter value 1: gid-96 has none."),
        (
            EpcUrn(Cpi("0614141123456789", "5"), 7),
            {"scheme": "cpi-96"},
            "cpi-96: reference '123456789', expected a number up to 99999999 without leading zeros.",
        ),
        (
            EpcUrn(Giai("061414101"), 7),
            {"scheme": "giai-96"},
            "giai-96: reference '01', expected a number up to 288230376151711743 without leading zeros.",
        ),
        (
            EpcUrn(Gcn("9521141678909", "123456789012"), 7),
            {"scheme": "sgcn-96", "filter_value": 9},
            "filter value 9: expected 0 to 7.",
        ),
    ):
        with pytest.raises(ValidationError) as caught:
            encode(urn, **kwargs)  # type: ignore[arg-type]
        assert str(caught.value) == why
    with pytest.raises(ValidationError, match=r"^EPC of 9520000000011: company prefix of 5, expected 6 to 12\.$"):
        EpcUrn(Gln("9520000000011"), 5)
    with pytest.raises(ValidationError, match="extension 0 stands for no extension there"):
        EpcUrn(Sgln(Gln("9520000000011"), "0"), 7)


def test_a_place_without_extension_is_its_gln() -> None:
    assert EpcUrn.parse("urn:epc:id:sgln:0614141.12345.0") == EpcUrn(Gln("0614141123452"), 7)


def test_an_odd_number_of_digits_is_taken_as_it_stands() -> None:
    value = decode_hex("3874257BF59B2C2BF1000000000000000000000000000000000")
    assert (value.uri, value.scheme) == ("urn:epc:id:giai:0614141.32a%2Fb", "giai-202")
    assert decode_hex("e20").uri == "urn:epc:raw:12.xE20"
    with pytest.raises(ParseError, match=r"^EPC '30 08': expected hexadecimal digits\.$"):
        decode_hex("30 08")


# ---- tag URIs and raw URIs ----------------------------------------------------------------------


def test_a_tag_uri_gives_the_words_to_write() -> None:
    tag = TagUri.parse("urn:epc:tag:[att=x05][umi=1]:sgtin-96:3.0614141.812345.6789")
    assert tag == TagUri("sgtin-96", EpcUrn.parse("urn:epc:id:sgtin:0614141.812345.6789"), 3, True, 5)
    assert tag.to_bank() == (0x3405, bytes.fromhex("3074257BF7194E4000001A85"))
    assert str(tag) == "urn:epc:tag:[att=x05][umi=1]:sgtin-96:3.0614141.812345.6789"
    pc, epc = tag.to_bank()
    assert decode(epc, pc).tag_uri == str(tag)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("urn:epc:tag:sgtin:3.0614141.812345.6789", "expected a scheme such as sgtin-96, got 'sgtin'."),
        ("urn:epc:tag:sgtin-97:3.0614141.812345.6789", "urn:epc:id:sgtin:0614141.812345.6789: expected scheme sgtin-96 "
         "or sgtin-198, got 'sgtin-97'."),
        ("urn:epc:tag:sgtin-96:9.0614141.812345.6789", "filter value 9: expected 0 to 7."),
        ("urn:epc:tag:sgtin-96:x.0614141.812345.6789", "filter value 'x': expected a number without leading zeros."),
        ("urn:epc:tag:sgtin-96:3.0614141.812345.067", "sgtin-96: serial '067', expected a number up to 274877906943 "
         "without leading zeros."),
        ("urn:epc:tag:[foo=x1]:sgtin-96:3.0614141.812345.67", "control field '[foo=x1]': expected [att=xNN], [umi=0] "
         "or [umi=1]."),
        ("urn:epc:id:sgtin:0614141.812345.67", "expected urn:epc:tag: and at most 500 characters."),
    ],
)  # fmt: skip
def test_a_tag_uri_that_cannot_be_written_says_why(text: str, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        TagUri.parse(text)
    assert str(caught.value) == f"EPC tag URI {text!r}: {why}"


def test_a_raw_uri_gives_the_words_to_write() -> None:
    assert raw_to_bank("urn:epc:raw:96.x300833B2DDD9014000000001") == (0x3000, SGTIN_96)
    assert raw_to_bank("urn:epc:raw:32.xC1.xABCD") == (0x11C1, b"\0\0\xab\xcd")
    assert raw_to_bank("urn:epc:raw:[umi=1]:24.258") == (0x1400, b"\0\x01\x02\0")
    assert decode(*reversed(raw_to_bank("urn:epc:raw:32.xC1.xABCD"))).uri == "urn:epc:raw:32.xC1.x0000ABCD"  # type: ignore[arg-type]
    for text, why in (
        ("urn:epc:raw:8.x1FF", "content needs 9 bits, expected at most 8."),
        ("urn:epc:raw:8.x100.x00", "AFI 100: expected at most FF."),
        ("urn:epc:raw:999.x00", "expected at most 496 bits, got 999."),
        ("urn:epc:raw:96", "expected bits.xHEX, bits.xAFI.xHEX or bits.number."),
        ("urn:epc:raw:96.007", "content '007': expected a number without leading zeros."),
    ):
        with pytest.raises(ParseError) as caught:
            raw_to_bank(text)
        assert str(caught.value) == f"EPC raw URI {text!r}: {why}"


# ---- round trips --------------------------------------------------------------------------------


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).map(lambda text: text + gs1_check_digit(text))


def text(most: int, characters: str = CSET_82) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=1, max_size=most)


def numbers(bits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 2**bits).map(str)


GTINS = st.builds(Gtin, digits(13))
PREFIXED = st.tuples(st.text("0123456789", min_size=12, max_size=12), text(18))
CAGES = st.text("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", min_size=5, max_size=6)
TAGGED = st.one_of(
    st.builds(Sgtin, GTINS, text(20) | numbers(40)),
    st.builds(Sscc, digits(17)),
    st.builds(Gln, digits(12)),
    st.builds(Sgln, st.builds(Gln, digits(12)), text(20).filter(lambda each: each != "0")),
    st.builds(Grai, digits(12), text(16) | numbers(40)),
    st.builds(Gdti, digits(12), text(17) | numbers(42)),
    st.builds(Gcn, digits(12), st.text("0123456789", min_size=1, max_size=12)),
    st.builds(Gsrn, digits(17)),
    st.builds(Gsrnp, digits(17)),
    st.builds(lambda parts: Giai("".join(parts)), PREFIXED),
    st.builds(
        lambda prefix, part, serial: Cpi(prefix + part, serial),
        st.text("0123456789", min_size=12, max_size=12),
        text(18, CSET_39),
        st.integers(0, 10**12 - 1).map(str),
    ),
    st.builds(
        Itip,
        GTINS,
        st.integers(0, 99).map("{:02d}".format),
        st.integers(0, 99).map("{:02d}".format),
        text(20) | numbers(40),
    ),
)
OTHERS = st.one_of(
    st.builds(Gid, numbers(27), numbers(23), numbers(35)),
    st.builds(UsDod, CAGES, numbers(35)),
    st.builds(Adi, CAGES, st.text("ABCZ019-/", max_size=32), st.from_regex(r"#?[A-Z0-9\-/]{1,29}", fullmatch=True)),
)


@given(TAGGED, st.integers(6, 12), st.integers(0, 7))
def test_keys_round_trip_through_tag_and_urn(key: Any, prefix_length: int, filter_value: int) -> None:
    urn = EpcUrn(key, prefix_length)
    assert EpcUrn.parse(str(urn)) == urn
    # A GIAI or a CPI of 30 characters with a short company prefix is longer than its field.
    if isinstance(key, Giai | Cpi) and len(key.value) - prefix_length > 30 - prefix_length:
        return
    epc = encode(urn, filter_value=filter_value)
    value = decode(epc, len(epc) // 2 << 11)
    assert (value.key, value.company_prefix_length, value.filter_value) == (key, prefix_length, filter_value)
    assert value.uri == str(urn)
    assert str(TagUri.parse(value.tag_uri or "")) == value.tag_uri


@given(OTHERS)
def test_what_is_no_gs1_key_round_trips_too(key: Any) -> None:
    urn = EpcUrn(key, None)
    assert EpcUrn.parse(str(urn)) == urn
    value = decode(encode(urn))
    assert (value.key, value.uri, value.company_prefix_length) == (key, str(urn), None)


@given(st.binary(max_size=40), st.none() | st.integers(0, 0xFFFF))
def test_any_tag_gives_a_result(epc: bytes, pc: int | None) -> None:
    value = decode(epc, pc)
    assert value.uri.startswith(("urn:epc:", "https://id.gs1.org/"))
    assert (value.key is None) == (value.fault is not None)


@given(st.sampled_from([0x2C, 0x2D, 0x2E, 0x30, 0x31, 0x32, 0x33, 0x35, 0x3F]), st.binary(min_size=11, max_size=11))
def test_what_is_decoded_from_a_tag_is_encoded_to_the_same_tag(header: int, rest: bytes) -> None:
    epc = bytes([header]) + rest
    value = decode(epc)
    if value.key is not None:
        urn = EpcUrn.parse(value.uri)
        assert encode(urn, filter_value=value.filter_value or 0, scheme=value.scheme) == epc


@given(st.sampled_from(SCHEME_NAMES), st.binary(min_size=10, max_size=60))
def test_random_bits_behind_any_header_are_read_or_refused(name: str, rest: bytes) -> None:
    header = next(code for code in range(256) if (decode(bytes([code]) + b"\1" * 4).why_raw or name).startswith(name))
    value = decode(bytes([header]) + rest)
    assert value.scheme in (None, *SCHEME_NAMES)
