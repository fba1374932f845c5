"""The story of the house, end to end: bytes of a reader become a signed hop that a stranger can check.

Everything is real here: pseudo-terminals, processes, HTTP, the database on disk.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import RunningDemo, run, running_demo, wait_until

GS = "<GS>"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("walks")) as running:
        yield running


def page(demo: RunningDemo, path: str, language: str = "zh") -> httpx.Response:
    join = "&" if "?" in path else "?"
    address = f"{demo.url}{path}{join}lang={language}"
    return httpx.get(address, headers={"Accept": "text/html"}, follow_redirects=True, timeout=20)


def proof(demo: RunningDemo, path: str) -> dict[str, Any]:
    def is_there() -> bool:
        return httpx.get(f"{demo.url}{path}/proof", timeout=20).status_code == 200

    wait_until(is_there, f"a proof of {path}")
    package: dict[str, Any] = httpx.get(f"{demo.url}{path}/proof", timeout=20).json()
    return package


# ---- the walk of a barcode -----------------------------------------------------------------------------


def test_a_datamatrix_of_a_drug_becomes_a_hop_on_the_consumers_page(demo: RunningDemo) -> None:
    receipt = demo.scan(f"]d201095200000000351729123110LOT7{GS}21ABC")
    assert receipt["digital_link"] == "https://id.gs1.org/01/09520000000035/21/ABC"
    assert receipt["event_id"].startswith("urn:uuid:")
    shown = page(demo, "/01/09520000000035/21/ABC")
    assert shown.status_code == 200
    assert "阿莫西林胶囊" in shown.text
    assert "LOT7" in shown.text
    assert "2029-12-31" in shown.text


def test_the_same_code_scanned_again_is_the_next_hop_of_the_same_thing(demo: RunningDemo) -> None:
    first = demo.scan("]d2010952000000003521AGAIN")
    second = demo.scan("]d2010952000000003521AGAIN")
    assert second["leaf_index"] > first["leaf_index"]
    steps = proof(demo, "/01/09520000000035/21/AGAIN")["steps"]
    assert [step["index"] for step in steps] == [first["leaf_index"], second["leaf_index"]]


@pytest.mark.parametrize(
    ("code", "link"),
    [
        ("]C100195200000000000032", "https://id.gs1.org/00/195200000000000032"),
        ("]E09520000000035", "https://id.gs1.org/01/09520000000035"),
        ("99000039000000000007", "https://suyuan.yunqiao.example/id/cn-drug/99000039000000000007"),
        ("]C099000039000000000008", "https://suyuan.yunqiao.example/id/cn-drug/99000039000000000008"),
        ("]Q1https://id.gs1.org/01/09520000000035/21/QR%2F1", "https://id.gs1.org/01/09520000000035/21/QR%2F1"),
    ],
    ids=["GS1-128 with an SSCC", "EAN-13", "drug code", "drug code in Code 128", "QR with a Digital Link"],
)
def test_real_content_of_every_carrier_is_recorded(demo: RunningDemo, code: str, link: str) -> None:
    assert demo.scan(code)["digital_link"] == link


def test_the_printed_digital_link_opens_on_this_server(demo: RunningDemo) -> None:
    demo.scan("]d2010952000000003521QR%2F2")
    assert page(demo, "/01/09520000000035/21/QR%252F2").status_code == 200


# ---- the walk of a tag ---------------------------------------------------------------------------------


def test_a_tag_in_the_field_becomes_a_hop_of_what_is_inside_the_case(demo: RunningDemo) -> None:
    # The first start puts the tag of the amoxicillin case in front of the reader.
    wait_until(lambda: "尾号00025" in page(demo, "/id/cn-drug/99000039000000000002").text, "the case at the gate")
    steps = proof(demo, "/id/cn-drug/99000039000000000002")["steps"]
    assert steps[-1]["subject"] == "https://id.gs1.org/00/195200000000000025"


def test_a_new_tag_is_read_once_and_decoded_from_sgtin_96(demo: RunningDemo) -> None:
    edge = httpx.get(f"{demo.url}/demo/edge").json()
    # SGTIN-96, filter 2, company prefix 9520000, item 000003, serial 7002 (EPC Tag Data Standard, section 14.6.1)
    epc = _sgtin_96(prefix=9520000, item=3, serial=7002)
    httpx.put(f"{edge['uhf']}/tags", json=[{"epc": epc}]).raise_for_status()
    wait_until(lambda: page(demo, "/01/09520000000035/21/7002").status_code == 200, "the tag's hop")
    assert len(proof(demo, "/01/09520000000035/21/7002")["steps"]) == 1


def _sgtin_96(prefix: int, item: int, serial: int) -> str:
    """Header 30, filter 2, partition 5 (24 bits of company prefix, 20 bits of item reference), 38 bits of serial."""
    bits = f"{0x30:08b}{2:03b}{5:03b}{prefix:024b}{item:020b}{serial:038b}"
    return f"{int(bits, 2):024x}"


# ---- the lookup ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "verdict", "steps"),
    [
        ("/01/09520000000028/21/88000001", "记录正常", 12),
        ("/01/09520000000059/21/C1", "已有1次销售记录", 10),
        ("/01/09520000000066/10/VEG-20261120-01", "已暂停销售", 5),
        ("/01/09520000000011/21/A0001", "已有1次销售记录", 6),
        ("/id/cn-drug/99000039000000000001", "有2次销售记录", 9),
        ("/id/cn-drug/99000049000000000001", "9.3", 3),
    ],
    ids=["formula", "pork", "greens", "spirits", "amoxicillin", "vaccine"],
)
def test_the_story_of_the_city_is_told_verdict_first(demo: RunningDemo, path: str, verdict: str, steps: int) -> None:
    shown = page(demo, path)
    assert shown.status_code == 200
    assert verdict in shown.text
    assert f"共{steps}步" in shown.text
    assert len(shown.content) <= 12 * 1024
    assert "Set-Cookie" not in shown.headers


def test_the_search_box_takes_any_code(demo: RunningDemo) -> None:
    for code in ("9900003 9000000000001", "(01)09520000000028(21)88000001", "00195200000000000018"):
        shown = page(demo, f"/search?code={code}")
        assert shown.status_code == 200, code
        assert shown.history, "the search leads to the address of the thing"


def test_a_code_that_was_never_issued_is_not_found_and_says_what_to_do(demo: RunningDemo) -> None:
    shown = page(demo, "/01/09520000000035/21/NEVER", "en")
    assert shown.status_code == 404
    assert "Code not found" in shown.text


def test_the_english_page_is_complete(demo: RunningDemo) -> None:
    shown = page(demo, "/01/09520000000028/21/88000001", "en").text
    assert "Records in order" in shown
    assert 'lang="en"' in shown


# ---- the proof ---------------------------------------------------------------------------------------------


def test_a_downloaded_proof_checks_offline_and_a_changed_one_does_not(demo: RunningDemo, tmp_path: Path) -> None:
    package = proof(demo, "/01/09520000000059/21/C1")
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(package), encoding="utf-8")
    honest = run("app", "verify", str(file), "--log-key", package["logKey"])
    assert honest.returncode == 0, honest.stdout + honest.stderr

    payload = package["entries"][-1]["envelope"]["payload"]
    at = len(payload) // 2
    other = "A" if payload[at] != "A" else "B"
    package["entries"][-1]["envelope"]["payload"] = payload[:at] + other + payload[at + 1 :]
    file.write_text(json.dumps(package), encoding="utf-8")
    changed = run("app", "verify", str(file), "--log-key", package["logKey"])
    assert changed.returncode == 1, changed.stdout + changed.stderr


def test_a_proof_tells_of_no_other_thing(demo: RunningDemo) -> None:
    text = json.dumps(proof(demo, "/01/09520000000028/21/88000001"))
    told = "".join(
        base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)).decode("utf-8")
        for entry in json.loads(text)["entries"]
        for each in entry["disclosures"]
    )
    assert "88000001" in told
    assert "88000002" not in told, "the other tin of the case"
    assert "6200" not in told, "how much milk went in"


# ---- audit ---------------------------------------------------------------------------------------------------


def test_audit_of_an_honest_ledger_ends_0_and_of_a_changed_one_1_with_the_entry(
    demo: RunningDemo, tmp_path: Path
) -> None:
    honest = run("app", "audit", "--data", str(demo.data))
    assert honest.returncode == 0, honest.stdout + honest.stderr
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "keys").symlink_to(demo.data / "keys")
    with sqlite3.connect(demo.data / "suyuan.sqlite") as source, sqlite3.connect(copy / "suyuan.sqlite") as target:
        source.backup(target)
    source.close()
    target.execute("DROP TRIGGER envelope_no_update")
    target.execute(
        "UPDATE envelope SET payload = CAST(replace(CAST(payload AS TEXT), 'retail_selling', 'retail_sellinG') AS BLOB)"
        " WHERE leaf_index = 40"
    )
    changed = target.execute("SELECT leaf_index, payload FROM envelope WHERE leaf_index = 40").fetchone()
    target.execute(
        "UPDATE envelope SET payload = ? WHERE leaf_index = ?", (changed[1].replace(b'"seq":', b'"seQ":'), changed[0])
    )
    target.commit()
    target.close()
    found = run("app", "audit", "--data", str(copy))
    assert found.returncode == 1, found.stdout + found.stderr
    assert "leaf 40" in found.stdout


# ---- what bad input gets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("]d201095200000000341729123110LOT7", "check digit"),
        ("]d20109520000000", "09520000000"),
        ("]E09520000000036", "check digit"),
        ("HELLO", "HELLO"),
        ("]C10019520000000000003", "expected"),
    ],
)
def test_a_bad_code_is_named_and_the_station_goes_on(demo: RunningDemo, code: str, message: str) -> None:
    told = demo.scan(code)
    assert message in told["error"]
    assert demo.scan("]d2010952000000003521AFTER")["leaf_index"] > 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[" * 100_000, 413),
        (b'{"envelope":' * 200_000, 413),
        (b'{"a":1,"a":2}', 400),
        (b"\xff\xfe", 400),
        (b'{"envelope":{},"disclosures":[]}', 400),
    ],
    ids=["empty", "cut", "null", "deep list", "enormous", "twice", "not UTF-8", "empty envelope"],
)
def test_capture_refuses_what_is_no_parcel_with_a_problem(demo: RunningDemo, body: bytes, status: int) -> None:
    answer = httpx.post(
        f"{demo.url}/capture", content=body, headers={"Content-Type": "application/vnd.suyuan.parcel+json"}, timeout=30
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_no_address_answers_500(demo: RunningDemo) -> None:
    for path in (
        "/01/",
        "/01/x",
        "/01/09520000000036/21/A",
        "/01/09520000000035/21/" + "9" * 400,
        "/00/1",
        "/id/cn-drug/1",
        "/id/x",
        "/id/x/y/z",
        "/01/09520000000035/21/%00",
        "/01/09520000000035/21/%E2%80%AE",
        "/search?code=" + "%28" * 300,
        "/search?code=",
        "/01/09520000000035/21/A/proof/proof",
        "/checkpoint/x",
        "/demo/edge/x",
        "/enterprise/x",
    ):
        answer = httpx.get(demo.url + path, headers={"Accept": "text/html"}, timeout=20)
        assert answer.status_code in (303, 400, 404), path
