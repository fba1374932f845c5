"""What `decode` prints: held to the official engine's own answers, and to the issue's list of forms."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.__main__ import main
from tests.served import world
from trace.errors import ParseError
from trace.identifiers.decoded import decode_epc, decode_text
from trace.identifiers.epc_binary import encode
from trace.identifiers.gs1_keys import Gtin, Sgtin
from trace.identifiers.prefix_lengths import PrefixLengths

ROOT = Path(__file__).resolve().parents[1]
NAMES = [
    "ok",
    "carrier",
    "symbology",
    "ais",
    "bracketed",
    "keys",
    "digital_link",
    "epc",
    "epc_tag",
    "hri",
    "warnings",
    "error",
]


def engine_rows(shared_data: Path) -> list[dict[str, Any]]:
    file = shared_data / "epcis" / "gs1-syntax-engine" / "oracle_engine_1.4.1.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def test_ok_is_what_the_official_engine_answers(shared_data: Path) -> None:
    wrong = []
    for row in engine_rows(shared_data):
        text = row["input"].replace("^", "\x1d") if row["form"] == "data" else row["input"]
        told = decode_text(text).to_dict()
        if told["ok"] != row["ok"]:
            wrong.append((text, told["error"], row.get("error")))
    assert wrong == []


def test_brackets_links_and_lines_are_the_engines(shared_data: Path) -> None:
    wrong = []
    for row in engine_rows(shared_data):
        # The engine takes a scheme in mixed case for plain text; we read the link that people meant (RFC 3986, 3.1).
        if not row["ok"] or row["input"].startswith("HtTp"):
            continue
        text = row["input"].replace("^", "\x1d") if row["form"] == "data" else row["input"]
        told = decode_text(text).to_dict()
        for ours, theirs in (("bracketed", "bracketed"), ("hri", "hri"), ("digital_link", "dl_uri")):
            if theirs in row and told[ours] != row[theirs]:
                wrong.append((text, ours, told[ours], row[theirs]))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "ok", "carrier", "paths"),
    [
        ("]d201095200000000351729123110LOT7\x1d21ABC", True, "GS1 DataMatrix", ["/01/09520000000035/21/ABC"]),
        ("(00)195200000000000018", True, "element string", ["/00/195200000000000018"]),
        ("\x1d00195200000000000018", True, "element string", ["/00/195200000000000018"]),
        ("]E09520000000035", True, "EAN-13, UPC-A or UPC-E", ["/01/09520000000035"]),
        ("HTTPS://example.com/01/09520000000035/21/A%2F1", True, "Digital Link", ["/01/09520000000035/21/A%2F1"]),
        ("urn:epc:id:sscc:9520000.1000000001", True, "EPC URN", ["/00/195200000000000018"]),
        ("urn:epc:tag:sgtin-96:3.9520000.000003.7", True, "EPC tag URI", ["/01/09520000000035/21/7"]),
        ("urn:epc:idpat:sgtin:9520000.000003.*", True, "EPC pattern", ["/01/09520000000035"]),
        ("urn:epc:raw:96.xE200322FE20DF9311328B7E3", True, "EPC raw URI", []),
        ("urn:epc:id:sgtin:x", False, "EPC URN", []),
        ("99000039000000000001", True, "national code", ["/id/cn-drug/99000039000000000001"]),
        ("9520000000036", False, "text", []),
        ("]C199", False, "GS1-128", []),
        ("", False, "text", []),
    ],
)
def test_what_a_text_begins_with_says_what_it_is(text: str, ok: bool, carrier: str, paths: list[str]) -> None:
    told = decode_text(text).to_dict()
    assert list(told) == NAMES
    assert (told["ok"], told["carrier"]) == (ok, carrier)
    assert [key["path"] for key in told["keys"]][:1] == paths
    assert (told["error"] is None) == ok


def test_what_only_wants_for_companions_keeps_its_keys() -> None:
    told = decode_text("(01)09520000000035(02)09520000000035").to_dict()
    assert told["ok"] is False
    lot = decode_text("(414)9520000000080(254)DOCK(7040)1ABC").to_dict()
    needing = decode_text("(01)09520000000035(250)X").to_dict()
    assert needing["error"]["code"] == "required_ai"
    assert needing["keys"] == [{"kind": "gtin", "path": "/01/09520000000035"}]
    assert lot["error"] is None or lot["keys"]


def test_a_named_replacement_of_the_separator_is_read_and_no_other() -> None:
    assert decode_text("]C1010952000000003510LOT7|21ABC", gs="|").ok
    assert not decode_text("]C1010952000000003510LOT7|21ABC").ok


def test_a_tag_that_is_no_epc_is_told_raw() -> None:
    told = decode_epc("E200322FE20DF9311328B7E3").to_dict()
    assert told["ok"] is False
    assert told["epc"].startswith("urn:epc:raw:96.x")


@given(st.text(max_size=200))
def test_no_text_is_an_exception(text: str) -> None:
    told = decode_text(text).to_dict()
    json.dumps(told)
    assert (told["error"] is None) == told["ok"]


@dataclass(frozen=True)
class Done:
    stdout: bytes
    stderr: bytes


def run(*args: str, given: bytes, code: int = 0) -> Done:
    """The command in this process, for speed; one test below starts the real one."""
    done = CliRunner().invoke(main, args, input=given)
    assert done.exit_code == code, done.output
    return Done(done.stdout_bytes, done.stderr_bytes)


def test_the_command_answers_line_by_line_and_trims_nothing() -> None:
    lines = b"]d20109520000000035\x1d \n\r\n(01)09520000000035\x85\n\n]d2010952000000003521A\xff"
    command = [sys.executable, "-m", "app", "decode"]
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, timeout=60, check=True)
    told = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    assert [each["ok"] for each in told] == [False, False, False, False, False]


def test_encode_is_the_inverse_of_decode() -> None:
    scans = b"]d201095200000000351729123110LOT7\x1d21ABC\n]C100195200000000000018\n]Q3010952000000003510A(1\n"
    told = run("decode", given=scans)
    assert run("encode", given=told.stdout).stdout == scans


def test_encode_gives_back_the_symbols_whose_number_is_no_ai() -> None:
    """EAN/UPC, one with a 2D component, ITF-14, one of a shop; and the link of a plain QR Code."""
    scans = (
        b"]E06901234567892\n]E06901234567892|]e010LOT7\n]E00012345678905\n]E496385074\n]I116901234567899\n"
        b"]E02000001234563\n]Q1https://id.gs1.org/01/06901234567892/10/A\n"
    )
    told = run("decode", given=scans)
    assert run("encode", given=told.stdout).stdout == scans


@pytest.mark.parametrize("scan", [b"]C081234567890123456789\n", b"]E3690123456789205\n"])
def test_encode_says_what_it_cannot_write_again(scan: bytes) -> None:
    told = run("decode", given=scan).stdout
    assert json.loads(told)["ok"]
    done = run("encode", given=told, code=1)
    assert done.stdout == b""
    assert done.stderr.startswith(b"Error: line 1: ]" + scan[1:3] + b": expected a ")


def test_compressed_links_say_the_same_when_read_again() -> None:
    scan = b"]d201095200000000351729123110LOT7\x1d21ABC\n"
    told = run("decode", given=scan).stdout
    compressed = run("encode", "--form", "compressed", given=told).stdout
    assert compressed.startswith(b"https://id.gs1.org/")
    assert len(compressed) < len(run("encode", "--form", "link", given=told).stdout)
    again = json.loads(run("decode", given=compressed).stdout)
    assert sorted(again["ais"]) == sorted(json.loads(told)["ais"])
    assert again["digital_link"] == json.loads(told)["digital_link"]


def test_a_tag_is_encoded_from_what_was_read_of_it() -> None:
    memory = b"3056450E000000C000001B59\n"
    told = run("decode", "--hex", given=memory).stdout
    assert run("encode", "--form", "epc", given=told).stdout == memory


TABLE = """{"_disclaimer": ["ours"], "GCPPrefixFormatList": {"date": "2026-11-01", "entry": [
  {"prefix": "952", "gcpLength": 7}, {"prefix": "95200001", "gcpLength": 9}, {"prefix": "9521", "gcpLength": 4},
  {"prefix": "9529", "gcpLength": 0}]}}"""


def test_a_barcode_has_an_epc_where_the_length_of_its_company_prefix_is_known(tmp_path: Path) -> None:
    scans = (
        "(01)09520000000035(21)A7",
        "(00)195200000000000018",
        "(01)09520000000035(10)L",
        "(01)09520000000035",
        "(8003)09520000000035",
        "(8004)9520000A1",
    )
    epcs = [
        "urn:epc:id:sgtin:9520000.000003.A7",
        "urn:epc:id:sscc:9520000.1000000001",
        "urn:epc:class:lgtin:9520000.000003.L",
        "urn:epc:idpat:sgtin:9520000.000003.*",
        "urn:epc:idpat:grai:9520000.00003.*",
        "urn:epc:id:giai:9520000.A1",
    ]
    given = "".join(f"{scan}\n" for scan in scans).encode()
    told = run("decode", "--company-prefix", "7", given=given).stdout.splitlines()
    assert [json.loads(line)["epc"] for line in told] == epcs
    table = tmp_path / "gcpprefixformatlist.json"
    table.write_text(TABLE)
    told = run("decode", "--prefixes", str(table), given=given).stdout.splitlines()
    assert [json.loads(line)["epc"] for line in told] == epcs
    told = run("decode", given=given).stdout.splitlines()
    assert [json.loads(line)["epc"] for line in told] == [None] * 6


@pytest.mark.parametrize(
    ("scan", "epc"),
    [
        ("(00)095200001000000018", "urn:epc:id:sscc:952000010.00000001"),  # the longest beginning counts
        ("(01)09521000000032(21)1", "urn:epc:id:sgtin:952100.0000003.1"),  # 4 digits count as 6
        ("(01)09529000000038(21)1", None),  # not allocated
        ("(01)06901234567892(21)1", None),  # not in the table
        ("(415)9520000000011(8020)AB12", None),  # no EPC scheme
        ("91990102MADEM1057K", None),
    ],
)
def test_the_table_of_lengths_answers_for_what_it_knows(scan: str, epc: str | None) -> None:
    assert decode_text(scan, lengths=PrefixLengths.parse(TABLE)).epc == epc


def test_a_company_prefix_that_cannot_be_as_long_is_a_warning() -> None:
    told = decode_text("(8004)9520000A", lengths=PrefixLengths.always(8))
    assert (told.ok, told.epc) == (True, None)
    assert told.warnings == ("EPC of 9520000A: expected a company prefix of 8 digits and a reference behind it.",)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"GCPPrefixFormatList": {"entry": [{"prefix": "952"}]}}', '{"GCPPrefixFormatList": {"entry": 7}}',
     '{"GCPPrefixFormatList": {"entry": [{"prefix": "95x", "gcpLength": 7}]}}',
     '{"GCPPrefixFormatList": {"entry": [{"prefix": "952", "gcpLength": 13}]}}',
     '{"GCPPrefixFormatList": {"entry": [{"prefix": "952", "gcpLength": "7"}]}}'],
)  # fmt: skip
def test_another_file_than_the_table_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ParseError):
        PrefixLengths.parse(text)
    file = tmp_path / "table.json"
    file.write_text(text)
    assert b"table.json: " in run("decode", "--prefixes", str(file), given=b"1\n", code=2).stderr


def test_a_tag_is_encoded_from_a_barcode() -> None:
    told = run("decode", given=b"(01)09520000000035(21)77\n(00)195200000000000018\n").stdout
    tags = run("encode", "--form", "epc", "--company-prefix", "7", "--filter", "1", given=told).stdout
    assert tags == b"3036450E000000C00000004D\n3136450E003B9ACA01000000\n"
    again = run("decode", "--hex", given=tags).stdout.splitlines()
    assert [json.loads(line)["epc_tag"] for line in again] == [
        "urn:epc:tag:sgtin-96:1.9520000.000003.77",
        "urn:epc:tag:sscc-96:1.9520000.1000000001",
    ]
    # A pure identity says its length; a scheme of TDS 2 needs none, and takes the other elements along.
    urn = run("decode", given=b"urn:epc:id:sgtin:9520000.000003.77\n").stdout
    assert run("encode", "--form", "epc", "--scheme", "sgtin-198", given=urn).stdout.startswith(b"3616450E000000D")
    dated = run("decode", given=b"(01)09520000000035(17)291231(21)A7\n").stdout
    tag = run("encode", "--form", "epc", "--scheme", "sgtin+", given=dated).stdout
    assert json.loads(run("decode", "--hex", given=tag).stdout)["bracketed"] == "(01)09520000000035(21)A7(17)291231"
    hosted = ("--form", "epc", "--scheme", "dsgtin++", "--hostname", "example.com")
    tag = run("encode", *hosted, given=dated).stdout
    assert json.loads(run("decode", "--hex", given=tag).stdout)["bracketed"] == "(01)09520000000035(21)A7(17)291231"


@pytest.mark.parametrize(
    ("scan", "options", "why"),
    [
        ("(01)09520000000035(21)A7", (), b"how long is its company prefix? Expected --company-prefix or --prefixes."),
        (
            "(01)09520000000035",
            ("--company-prefix", "7"),
            b"(01): expected an item, a logistic unit, a place or an asset with its number.",
        ),
        ("(01)09520000000035(10)L", ("--company-prefix", "7"), b"a tag holds items, logistic units and places, not"),
        ("(91)A", ("--company-prefix", "7"), b"(91): expected an item, a logistic unit, a place or an asset"),
        ("(00)195200000000000018", ("--scheme", "sgtin+"), b"sgtin+: expected a key of (01)(21)"),
        ("(00)195200000000000018", ("--scheme", "x", "--company-prefix", "7"), b"expected scheme sscc-96, got 'x'."),
    ],
)
def test_what_no_tag_can_carry_is_told_with_its_line(scan: str, options: tuple[str, ...], why: bytes) -> None:
    told = run("decode", given=f"{scan}\n".encode()).stdout
    done = run("encode", "--form", "epc", *options, given=told, code=1)
    assert done.stderr.startswith(b"Error: line 1: ")
    assert why in done.stderr


def test_a_bill_is_a_key_and_its_sender_alone_is_none() -> None:
    told = decode_text("(415)9520000000011(8020)AB/12").to_dict()
    assert told["keys"] == [{"kind": "paymentslip", "path": "/415/9520000000011/8020/AB%2F12"}]
    alone = decode_text("(415)9520000000011").to_dict()
    assert (alone["keys"], alone["error"]["code"]) == ([], "required_ai")


def test_a_number_of_a_shop_is_right_in_its_symbol_and_no_gtin() -> None:
    told = decode_text("]E02112345678900").to_dict()
    assert (told["ok"], told["symbology"], told["digital_link"]) == (True, "]E0", None)
    assert told["keys"] == [{"kind": "in-store", "path": "/id/in-store/2112345678900"}]
    assert len(told["warnings"]) == 1
    assert decode_text("]E06924561884074").to_dict()["keys"] == [{"kind": "gtin", "path": "/01/06924561884074"}]


def test_an_epc_says_its_elements_and_so_becomes_any_carrier() -> None:
    urn = decode_text("urn:epc:id:sgtin:9520000.000003.7").to_dict()
    assert (urn["bracketed"], urn["hri"]) == ("(01)09520000000035(21)7", ["(01) 09520000000035", "(21) 7"])
    assert decode_text("urn:epc:id:usdod:CAGEY.5678").to_dict()["ais"] == []


def test_data_behind_the_epc_of_a_tag_is_told_behind_its_key() -> None:
    elements = (("10", "LOT7"), ("17", "291231"))
    key = Sgtin(Gtin.parse("09520000000035"), "7")
    told = decode_epc(encode(key, filter_value=0, scheme="sgtin+", elements=elements).hex()).to_dict()
    assert told["bracketed"] == "(01)09520000000035(21)7(10)LOT7(17)291231"
    assert told["digital_link"] == "https://id.gs1.org/01/09520000000035/10/LOT7/21/7?17=291231"
    assert told["keys"] == [{"kind": "sgtin", "path": "/01/09520000000035/21/7"}]


def test_encode_names_the_line_and_what_it_lacks() -> None:
    done = run("encode", "--form", "epc", given=b'{"epc_tag":"urn:epc:tag:sgtin-96:3.9520000.000003.7"}\n{}\n', code=1)
    assert done.stderr.strip() == b"Error: line 2: the object has no 'ais'"
    done = run("encode", given=b'{"ais":[["01","09520000000036"]]}\n', code=1)
    assert done.stderr.startswith(b"Error: line 1: ")


def test_epc_memory_is_read_with_an_odd_number_of_digits_too() -> None:
    done = run("decode", "--hex", given=b"3056450e000000c000001b59\n3056450E000000C000001B5\nxyz\n")
    told = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    assert [each["epc"] for each in told][:1] == ["urn:epc:id:sgtin:9520000.000003.7001"]
    assert told[2]["error"]["code"] == "hex"
    other = decode_epc("E2801160600002054C6A3B1").to_dict()
    assert (other["error"]["code"], other["error"]["at"]) == ("epc_header", 0)
    assert other["epc"] == "urn:epc:raw:92.xE2801160600002054C6A3B1"


def test_the_api_gives_the_same_object(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        scan = b"]d201095200000000351729123110LOT7\x1d21ABC"
        answer = here.fresh_app().test_client().post("/decode", data=scan, content_type="text/plain")
        assert answer.status_code == 200
        assert json.loads(answer.data) == decode_text(scan.decode()).to_dict()
        assert list(json.loads(answer.data)) == NAMES
        assert here.fresh_app().test_client().post("/decode", data=b"x" * 20_000).status_code == 413


def test_the_api_reads_tags_and_replaced_separators_too(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        client = here.fresh_app().test_client()
        tag = "3056450E000000C000001B59"
        assert client.post("/decode?hex=1", data=tag).get_json() == decode_epc(tag).to_dict()
        told = client.post("/decode?gs=|", data="]C110LOT7|21A").get_json()
        assert told["ais"] == [["10", "LOT7"], ["21", "A"]]
        told = client.post("/decode?company_prefix=7", data="(01)09520000000035(21)A7").get_json()
        assert told["epc"] == "urn:epc:id:sgtin:9520000.000003.A7"
        assert client.post("/decode?company_prefix=13", data="(01)09520000000035(21)A7").status_code == 400
        refused = client.post("/decode?gs=ab", data="]C110LOT7")
        assert refused.status_code == 400
        assert "gs 'ab': expected one character" in refused.get_data(as_text=True)
