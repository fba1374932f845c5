"""The EPC schemes of TDS 2: keys with their AIs, custom host names, and AIDC data behind them, both ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, ValidationError
from trace.identifiers.ai_table import AI_TABLE
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.epc_binary import decode, decode_hex, encode
from trace.identifiers.epc_hostname import read_hostname, write_hostname
from trace.identifiers.epc_methods import BitReader, BitWriter
from trace.identifiers.epc_table_f import TABLE_F, read_element, read_value, write_element, write_value
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
)

ITEM = Sgtin(Gtin("79521141123453"), "32a/b")
CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"


def bits_of(ai: str, value: str) -> str:
    bits = BitWriter()
    write_value(ai, value, bits)
    return f"{bits.value:0{bits.width}b}" if bits.width else ""


@pytest.mark.parametrize(
    ("ai", "value", "bits"),
    [
        # 14.5.6: which alphabet, how many characters, the characters
        ("10", "5678", "000 00100 01011000101110"),
        ("10", "0001", "000 00100 00000000000001"),
        ("10", "FACE", "001 00100 1111 1010 1100 1110"),
        ("10", "face", "010 00100 1111 1010 1100 1110"),
        ("10", "Rx", "011 00010 010001 110001"),
        ("10", "XYZ", "101 00011 1001101000000011"),  # 24*1600 + 25*40 + 26 + 1
        ("10", "AB", "001 00010 1010 1011"),
        ("10", "XY", "011 00010 010111 011000"),
        ("10", "X/Y", "100 00011 1011000 0101111 1011001"),
        # 14.5.2, 14.5.4, 14.5.13
        ("20", "07", "0000111"),
        ("410", "0000000000017", "0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0001 0111"),
        ("30", "00", "0010 0000000"),
        ("8011", "12345", "0101 00011000000111001"),
        # 14.5.5
        ("8004", "95211", "1001 0101 0010 0001 0001 1111"),
        ("8004", "9521A", "1001 0101 0010 0001 1110 001 00001 1010"),
        # 14.5.7 to 14.5.12, 14.5.14, 14.5.15
        ("4321", "1", "1"),
        ("17", "261130", "0011010 1011 11110"),
        ("4324", "2611302359", "0011010 1011 11110 10111 111011"),
        ("7007", "261130", "0 0011010 1011 11110"),
        ("7007", "261130261231", "1 0011010 1011 11110 0011010 1100 11111"),
        ("7011", "261130", "11 0011010 1011 11110"),
        ("8008", "26113023", "00 0011010 1011 11110 10111"),
        ("8008", "2611302359", "01 0011010 1011 11110 10111 111011"),
        ("8008", "261130235901", "10 0011010 1011 11110 10111 111011 000001"),
        ("4307", "CN", "000010 001101"),
        ("4330", "000500", "00000000000111110100 0"),
        ("4330", "000500-", "00000000000111110100 1"),
        ("7258", "1/3", "0001 0011"),
        # two components, the second one optional
        ("253", "9521141123454", "1001 0101 0010 0001 0001 0100 0001 0001 0010 0011 0100 0101 0100 000 00000"),
        ("3910", "15612", "0010011100 0010 0001100"),
    ],
)
def test_values_become_the_bits_of_the_standard_and_come_back(ai: str, value: str, bits: str) -> None:
    expected = bits.replace(" ", "")
    assert bits_of(ai, value) == expected
    reader = BitReader(int(expected, 2), len(expected))
    assert (read_value(ai, reader), reader.left) == (value, 0)


def test_a_less_efficient_alphabet_is_read_too() -> None:
    """14.5.6: an encoder need not choose the shortest."""
    for bits in (
        "000 00010 0001100",
        "001 00010 0001 0010",
        "010 00010 0001 0010",
        "011 00010 110101 110110",
        "100 00010 0110001 0110010",
        "101 00010 1100011011000001",
    ):
        digits = bits.replace(" ", "")
        assert read_value("10", BitReader(int(digits, 2), len(digits))) == "12"


@pytest.mark.parametrize(
    ("ai", "bits", "why"),
    [
        ("10", "110 00001 0000000", "encoding indicator is 6, expected 0 to 5."),
        ("10", "000 11111", "length is 31, expected at most 20."),
        ("10", "000 00001 1111", "number is 15, expected at most 1 digits."),
        ("10", "100 00001 0000001", "character is 1, expected one of the alphabet."),
        ("10", "101 00011 0000000000000000", "URN Code 40 group is 0, expected 1 to 64000."),
        ("10", "101 00011 0000011001000010", "URN Code 40: expected 3 characters, got 2."),
        ("01", "1010", "expected 56 bits more, got 4."),
        ("02", "1010" * 14, "expected 14 digits of 4 bits, got AAAAAAAAAAAAAA."),
        ("8004", "1001 1010", "expected a digit, a delimiter E or a terminator F, got A."),
        ("8004", "1111", "'': expected 1 to 30 characters, got 0."),
        ("17", "1100100 0001 00001", "year is 100, expected 00 to 99."),
        ("17", "0011010 1101 00001", "'261301': expected YYMMDD, day 00 for the whole month."),
        ("4324", "0011010 1011 11110 11000 000001", "'2611302401': expected a time up to 24:00, got 2401."),
        ("4307", "011111 000000", "country is 31 0, expected two letters of 0 to 25."),
        ("7258", "0000 0011", "sequence is 0/3, expected digits 1 to 9."),
    ],
)
def test_bits_that_are_no_value_say_why(ai: str, bits: str, why: str) -> None:
    digits = bits.replace(" ", "")
    with pytest.raises(ParseError) as caught:
        read_value(ai, BitReader(int(digits, 2), len(digits)))
    assert str(caught.value) == why


def test_table_f_has_the_dictionarys_ais_of_its_time() -> None:
    assert set(TABLE_F) <= set(AI_TABLE)
    # Not for EPC tags, and younger than TDS 2.3.
    assert set(AI_TABLE) - set(TABLE_F) == {"03", "8014", "3954", "3955", "717", "8040", "8041", "8042", "8043"}


def test_table_f_holds_every_length_that_the_dictionary_allows() -> None:
    digits = "1"
    for ai, identifier in AI_TABLE.items():
        if ai in TABLE_F and all(part.charset.name == "digits" for part in identifier.components):
            continue  # dates and the like: above
        # (8007): the table has room for 24 of 34 characters. Letters and minus signs: above.
        if ai in TABLE_F and ai not in ("8007", "4307", "4317", "7258", "4330", "4331", "4332", "4333"):
            for length in {identifier.least, identifier.most}:
                value = digits * length
                bits = bits_of(ai, value)
                assert read_value(ai, BitReader(int(bits, 2), len(bits))) == value, ai


# ---- host names ---------------------------------------------------------------------------------


def host_bits(name: str) -> str:
    bits = BitWriter()
    write_hostname(name, bits)
    return f"{bits.value:0{bits.width}b}"


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("id.example.com", "1 001001 0100000 1100101 1111000 1100001 1101101 1110000 1101100 1100101 1011011"),
        ("QR.GS", "0 000101 0110110000101101 0001110100000001"),  # Q R . and G S
        ("a.cn", "1 000011 1100001 0000000 0101110"),
        ("a.gov.cn", "1 000011 1100001 0000010 0011111"),
        ("a.zw", "1 000011 1100001 0000001 1110100"),
        ("a.tech", "1 000011 1100001 0000011 0000000"),
        ("www.a.org.cn", "1 000100 0011111 1100001 0000010 0011101"),
        ("grid.org", "1 000101 1100111 1110010 1101001 1100100 1011100"),  # not `id.` and `org`
    ],
)
def test_names_become_the_bits_of_the_standard_and_come_back(name: str, bits: str) -> None:
    expected = bits.replace(" ", "")
    if name != "QR.GS":
        assert host_bits(name) == expected
    reader = BitReader(int(host_bits(name), 2), len(host_bits(name)))
    assert (read_hostname(reader), reader.left) == (name, 0)


def test_a_name_without_optimisation_is_read_too() -> None:
    bits = "1" + f"{7:06b}" + "".join(f"{ord(char):07b}" for char in "a.co.uk")
    assert read_hostname(BitReader(int(bits, 2), len(bits))) == "a.co.uk"


@pytest.mark.parametrize(
    ("bits", "why"),
    [
        ("1 000000", "hostname '': expected 1 to 63 characters, got 0."),
        ("1 000001 0000100", "hostname '': unit 4 is reserved."),
        ("1 000010 0000001 1111111", "hostname '': no domain 1 127."),
        ("1 000001 0000001 0000000", "hostname '': no domain 1 0."),
        ("1 000010 1100001", "expected 7 bits more, got 0."),
        ("1 " + "111111" + "0011111" * 63, "hostname 'wwww."),
    ],
)
def test_bits_that_are_no_name_say_why(bits: str, why: str) -> None:
    digits = bits.replace(" ", "")
    with pytest.raises(ParseError) as caught:
        read_hostname(BitReader(int(digits, 2), len(digits)))
    assert str(caught.value).startswith(why.replace("wwww.", "www."))


@given(st.text("abcdiorgqw.-019AZ", min_size=1, max_size=63) | st.text(CSET_82, min_size=1, max_size=63))
def test_any_name_round_trips_and_is_never_longer_than_plain(name: str) -> None:
    bits = host_bits(name)
    assert len(bits) <= 7 + 7 * len(name) or bits[0] == "0"
    assert read_hostname(BitReader(int(bits, 2), len(bits))) == name


# ---- tags ---------------------------------------------------------------------------------------


def test_aidc_data_stands_behind_the_epc_and_the_toggle_says_so() -> None:
    data = (("10", "LOT7"), ("17", "261130"), ("3103", "000195"))
    epc = encode(ITEM, filter_value=1, scheme="sgtin+", elements=data)
    assert epc[1] >> 7 == 1
    value = decode(epc, len(epc) // 2 << 11)
    assert (value.key, value.elements, value.warnings) == (ITEM, data, ())
    assert value.uri == "https://id.gs1.org/01/79521141123453/21/32a%2Fb"
    assert value.digital_link == value.uri
    assert value.link_with_data == value.uri + "?10=LOT7&17=261130&3103=000195"
    assert (value.tag_uri, value.company_prefix_length) == (None, None)


def test_the_date_of_a_dsgtin_stands_in_front_of_the_gtin() -> None:
    epc = encode(ITEM, scheme="dsgtin+", elements=(("10", "L"), ("17", "261130")))
    # Header, toggle and filter, date type 0100, 26 11 30, and then the GTIN at a fixed place.
    bits = f"{int.from_bytes(epc):0{len(epc) * 8}b}"
    assert bits.startswith("11111011" + "1" + "000" + "0100" + "0011010" + "1011" + "11110" + "0111" + "1001")
    assert decode(epc).elements == (("17", "261130"), ("10", "L"))


def test_a_custom_name_makes_the_link_that_was_printed() -> None:
    epc = encode(Sscc("095201234567891235"), scheme="sscc++", hostname="id.example.com")
    assert epc.hex().upper() == "EF009520123456789123592832F8C3B786CCB6C0"
    value = decode(epc)
    assert value.hostname == "id.example.com"
    assert value.digital_link == "https://id.example.com/00/095201234567891235"
    assert value.uri == "https://id.gs1.org/00/095201234567891235"


def test_zeros_behind_the_epc_are_filling_unless_the_toggle_announces_an_sscc() -> None:
    epc = encode(ITEM, scheme="sgtin+")
    assert decode(epc + b"\0" * 20) == decode(epc)
    sscc = ("00", "000000000000000000")
    assert decode(encode(ITEM, scheme="sgtin+", elements=(sscc,))).elements == (sscc,)


def test_data_that_the_toggle_denies_or_that_is_missing_is_a_warning() -> None:
    told = encode(ITEM, scheme="sgtin+", elements=(("10", "L"),))
    denied = bytes([told[0], told[1] & 0x7F]) + told[2:]
    assert decode(denied).elements == (("10", "L"),)
    assert decode(denied).warnings == ("the toggle bit denies AIDC data, some was found.",)
    plain = encode(ITEM, scheme="sgtin+")
    announced = bytes([plain[0], plain[1] | 0x80]) + plain[2:]
    assert decode(announced).key == ITEM
    assert decode(announced).warnings == ("the toggle bit announces AIDC data, none was found.",)


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        ("A1", "bit 80: AIDC data header A1: expected the first two digits of an AI."),
        ("03" + "1" * 14, "bit 80: AIDC data header 03: expected the first two digits of an AI."),
        ("2590", "bit 80: AIDC data header 259: no such AI in table F."),
        ("11FFFF", "bit 80: (11): year is 127, expected 00 to 99."),
        ("0195211411234500", "bit 80: (01): expected 56 bits more, got 52."),
        ("00" + "1" * 4, "bit 80: AIDC data begins with (00), and 12 bits are no SSCC."),
    ],
)
def test_data_that_cannot_be_read_leaves_the_key_known(data: str, warning: str) -> None:
    value = decode_hex("F4B" + "952114112345678906" + data.removesuffix("0" if len(data) % 2 == 0 else ""))
    assert value.key == Gsrn("952114112345678906")
    assert value.warnings[0].replace("bit 84", "bit 80").startswith(warning[:40])


def test_a_tag_of_tds_2_that_cannot_be_written_says_why() -> None:
    for kwargs, why in (
        ({"scheme": "sscc+"}, f"sscc+: expected a key of (00) with its serial number, got {ITEM}."),
        ({"scheme": "sgtin++"}, "sgtin++: expected a hostname, got None."),
        ({"scheme": "sgtin+", "hostname": "a.cn"}, "sgtin+: expected no hostname, got 'a.cn'."),
        ({"scheme": "sgtin++", "hostname": "广.cn"}, "hostname '广.cn': expected 1 to 63 characters of GS1 AI "
         "character set 82."),
        ({"scheme": "dsgtin+"}, "dsgtin+: expected a date, one of (11) (13) (15) (16) (17) (7006) (7007)."),
        ({"scheme": "sgtin+", "elements": (("03", "09521141123454"),)}, "(03) is not for EPC tags: no such AI in table "
         "F."),
        ({"scheme": "sgtin+", "elements": (("10", "x" * 21),)}, "(10) 'xxxxxxxxxxxxxxxxxxxxx': expected 1 to 20 "
         "characters, got 21."),
        ({"scheme": "sgtin+", "elements": (("8013", "x" * 20), ("240", "~" * 3))}, None),
        ({"scheme": "sgtin+", "elements": (("4302", "x/" * 35),)}, "sgtin+: 627 bits, a PC word can announce 496."),
        ({}, f"{ITEM}: expected the length of its company prefix, or a scheme of TDS 2."),
    ):  # fmt: skip
        with pytest.raises(ValidationError) as caught:
            encode(ITEM, **kwargs)  # type: ignore[arg-type]
        assert why is None or str(caught.value) == why
    with pytest.raises(ValidationError, match=r"^grai\+: expected a key of \(8003\) with its serial number, got 0952"):
        encode(Grai("9521141123454"), scheme="grai+")
    with pytest.raises(ValidationError, match=r"^sgtin\+: expected a key of \(01\)\(21\) with its serial number"):
        encode(Lgtin(Gtin("79521141123453"), "L"), scheme="sgtin+")


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).map(lambda text: text + gs1_check_digit(text))


def text(most: int, characters: str = CSET_82) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=1, max_size=most)


GTINS = st.builds(Gtin, digits(13))
KEYS = st.one_of(
    st.tuples(st.just("sgtin"), st.builds(Sgtin, GTINS, text(20) | text(20, "ABCDEF09") | text(20, "AZ-.:09"))),
    st.tuples(st.just("dsgtin"), st.builds(Sgtin, GTINS, text(20, "abz_-09"))),
    st.tuples(st.just("sscc"), st.builds(Sscc, digits(17))),
    st.tuples(st.just("sgln"), st.builds(Gln, digits(12))),
    st.tuples(st.just("sgln"), st.builds(Sgln, st.builds(Gln, digits(12)), text(20).filter(lambda each: each != "0"))),
    st.tuples(st.just("grai"), st.builds(Grai, digits(12), text(16))),
    st.tuples(st.just("gdti"), st.builds(Gdti, digits(12), text(17))),
    st.tuples(st.just("sgcn"), st.builds(Gcn, digits(12), text(12, "0123456789"))),
    st.tuples(st.just("gsrn"), st.builds(Gsrn, digits(17))),
    st.tuples(st.just("gsrnp"), st.builds(Gsrnp, digits(17))),
    st.tuples(st.just("giai"), st.builds(lambda tail: Giai("9521" + tail), text(26))),
    st.tuples(
        st.just("cpi"),
        st.builds(
            lambda tail, serial: Cpi("9521" + tail, str(serial)), text(26, "#-/09AZ"), st.integers(0, 10**12 - 1)
        ),
    ),
    st.tuples(st.just("itip"), st.builds(lambda gtin, serial: Itip(gtin, "01", "02", serial), GTINS, text(20))),
)


@given(KEYS, st.integers(0, 7), st.none() | st.sampled_from(["a.cn", "ID.CN", "x.example.gov.cn"]))
def test_every_scheme_of_tds_2_round_trips(named: tuple[str, Any], filter_value: int, hostname: str | None) -> None:
    name, key = named
    scheme = name + ("+" if hostname is None else "++")
    elements = (("17", "261130"),) if name == "dsgtin" else (("20", "07"),)
    epc = encode(key, filter_value=filter_value, scheme=scheme, hostname=hostname, elements=elements)
    value = decode(epc, len(epc) // 2 << 11)
    assert (value.scheme, value.key, value.filter_value) == (scheme, key, filter_value)
    assert (value.hostname, value.elements, value.warnings) == (hostname, elements, ())


@given(st.sampled_from(sorted(TABLE_F)), st.binary(max_size=30))
def test_any_bits_are_an_element_or_refused(ai: str, rest: bytes) -> None:
    bits = int(ai, 16) << 8 * len(rest) | int.from_bytes(rest)
    reader = BitReader(bits, 4 * len(ai) + 8 * len(rest))
    try:
        element = read_element(reader)
    except ParseError:
        return
    written = BitWriter()
    write_element(element, written)
    assert read_element(BitReader(written.value, written.width)) == element
