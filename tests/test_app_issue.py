"""Issuing on the command line, drawing, and what the public page says of a link that was invented."""

import itertools
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.__main__ import main
from scanners.camera import decode
from tests.served import world
from trace.issuing import sign_link
from trace.times import SystemClock

USCC = "91990102MADEM1057K"
"""The dairy of `tests.served`."""


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_serials_are_random_and_given_once(tmp_path: Path) -> None:
    with world(tmp_path):
        pass
    args = ("issue", "serials", "--data", str(tmp_path), "--uscc", USCC, "--gtin", "9520000000035", "--count", "50")
    first, second = run(*args), run(*args)
    assert first.exit_code == 0, first.output
    links = [*first.output.split(), *second.output.split()]
    assert len(set(links)) == 100
    assert all(re.fullmatch(r"https://id\.gs1\.org/01/09520000000035/21/[0-9A-Z]{14}", link) for link in links)


def test_ssccs_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    with world(tmp_path):
        pass
    args = ("issue", "sscc", "--data", str(tmp_path), "--uscc", USCC, "--prefix", "9520000", "--count", "2")
    numbers = [int(line[:-1]) for line in (run(*args).output + run(*args).output).split()]
    assert [after - before for before, after in itertools.pairwise(numbers)] == [1, 1, 1]


def test_codes_are_for_registered_enterprises(tmp_path: Path) -> None:
    with world(tmp_path):
        pass
    done = run("issue", "sscc", "--data", str(tmp_path), "--uscc", "91990102MADEM1065E", "--prefix", "9520000")
    assert done.exit_code == 1
    assert "expected the code of a registered enterprise" in done.output


@pytest.mark.parametrize(
    ("kind", "content", "identifier"),
    [
        ("datamatrix", "(01)09520000000035(10)LOT7(21)ABC", "]d2"),
        ("gs1-128", "(00)195200000000000018", "]C1"),
        ("qr", "https://id.gs1.org/01/09520000000035/21/ABC", "]Q1"),
        ("ean-13", "9520000000035", "]E0"),
        ("itf-14", "19520000000018", "]I1"),
    ],
)
def test_a_drawn_symbol_is_read_back(tmp_path: Path, kind: str, content: str, identifier: str) -> None:
    out = tmp_path / "symbol.png"
    done = run("symbol", content, "--kind", kind, "--out", str(out))
    assert done.exit_code == 0, done.output
    (scan,) = decode(out.read_bytes(), SystemClock().now())
    assert scan.symbology == identifier


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    done = run("symbol", "9520000000036", "--kind", "ean-13", "--out", str(tmp_path / "x.svg"))
    assert done.exit_code == 1
    assert "check digit" in done.output
    assert run("symbol", "9520000000035", "--kind", "ean-13", "--out", "x.gif").exit_code == 2


def test_a_link_with_an_invented_mark_is_not_found_though_its_item_is(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.record("A1")
        visitor = here.visitor()
        link = sign_link("https://id.gs1.org/01/09520000000028/21/A1", here.services.link_keys[0])
        right = link.removeprefix("https://id.gs1.org")
        page = {"Accept": "text/html"}
        assert visitor.get(right, headers=page).status_code == 200
        assert visitor.get(f"{right}&lang=en", headers=page).status_code == 200
        assert visitor.get("/01/09520000000028/21/A1", headers=page).status_code == 200
        wrong = visitor.get(f"{right[:-1]}{'A' if right[-1] != 'A' else 'B'}", headers=page)
        assert wrong.status_code == 404
        assert '<h1 id="verdict">防伪记号不对，可能是仿造的</h1>' in wrong.get_data(as_text=True)


def test_an_issued_code_without_records_is_told_from_an_invented_and_from_an_unknown_one(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        visitor = here.visitor()
        link = sign_link("https://id.gs1.org/01/09520000000028/21/NEW", here.services.link_keys[0])
        path, mark = link.removeprefix("https://id.gs1.org").split("?s=")
        told = {
            query: visitor.get(f"{path}?lang=en{query}", headers={"Accept": "text/html"}).get_data(as_text=True)
            for query in (f"&s={mark}", "&s=AAAAAAAA", "")
        }
        assert [re.findall('<h1 id="verdict">(.*)</h1>', page) for page in told.values()] == [
            ["Nothing recorded yet"],
            ["The security mark is wrong. It may be counterfeit"],
            ["Code not found"],
        ]
