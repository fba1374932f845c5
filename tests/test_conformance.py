"""The command that holds other verifiers to our proofs."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.__main__ import main
from app.commands.conformance import PROOFS
from scripts.make_proof_vectors import lines

LIAR = """
import sys
sys.exit({status})
"""


def ours() -> list[str]:
    return gzip.decompress(PROOFS.read_bytes()).decode("utf-8").splitlines()


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["conformance", *args])


def some(folder: Path, count: int) -> str:
    """Every twentieth case, to be quick; at least one of each outcome among them."""
    chosen = [line for n, line in enumerate(ours()) if n % 20 == 0][:count]
    chosen += [
        next(line for line in ours() if json.loads(line)["outcome"] == outcome) for outcome in ("invalid", "unchecked")
    ]
    file = folder / "some.jsonl"
    file.write_text("\n".join(chosen), encoding="utf-8")
    return str(file)


def test_the_set_is_what_the_tests_of_the_verifiers_forge() -> None:
    assert ours() == lines()
    assert {json.loads(line)["outcome"] for line in lines()} == {"valid", "invalid", "unchecked"}


def test_our_own_verifier_agrees(tmp_path: Path) -> None:
    done = run("--proofs", some(tmp_path, 4), "--", sys.executable, "-m", "app", "verify")
    assert (done.exit_code, done.output) == (0, "6 of 6 proofs are judged as they should be\n")


@pytest.mark.parametrize(("status", "got"), [(0, "valid"), (1, "invalid"), (2, "unchecked"), (7, "exit status 7")])
def test_a_verifier_that_always_says_the_same_does_not(tmp_path: Path, status: int, got: str) -> None:
    file = tmp_path / "liar.py"
    file.write_text(LIAR.format(status=status))
    done = run("--json", "--proofs", some(tmp_path, 2), sys.executable, str(file))
    answers = [json.loads(line) for line in done.output.splitlines()]
    assert done.exit_code == 1
    assert {answer["got"] for answer in answers} == {got}
    assert [answer["agrees"] for answer in answers] == [answer["expected"] == got for answer in answers]
    assert not all(answer["agrees"] for answer in answers)


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("--proofs", some(tmp_path, 1), str(tmp_path / "nothing"))
    assert (done.exit_code, "nothing: cannot be started: No such file" in done.output) == (1, True)
