"""`./suyuan conformance -- COMMAND`: another verifier, held to our good and bad proofs (docs/conformance.md)."""

import gzip
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from app.settings import ROOT

PROOFS = ROOT / "tests" / "vectors" / "proofs.jsonl.gz"
OUTCOMES = {0: "valid", 1: "invalid", 2: "unchecked"}
"""By exit status."""
TIMEOUT_S = 30


@dataclass(frozen=True)
class Answered:
    """What the verifier made of one case."""

    name: str
    expected: str
    got: str
    """An outcome, or why there is none."""

    @property
    def agrees(self) -> bool:
        return self.got == self.expected


@click.command()
@click.option("--proofs", type=click.File("r", encoding="utf-8"), help="Another set than ours, one JSON case a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a case.")
@click.argument("command", nargs=-1, required=True)
def conformance(proofs: TextIO | None, as_json: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND once a case, and compare what it says with what is so.

    COMMAND is run as `COMMAND [--log-key VKEY] [--uri URI] FILE` and must end with status 0 for a valid proof, 1 for an
    invalid one, 2 when it could not check. What it prints is not looked at. Ours: ./suyuan conformance ./suyuan verify

    Ends with 0 when all agree, else with 1.
    """
    lines = (proofs.read() if proofs else gzip.decompress(PROOFS.read_bytes()).decode("utf-8")).splitlines()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="suyuan-conformance-") as folder:
        for line in lines:
            answered = _ask(json.loads(line), list(command), Path(folder))
            wrong += not answered.agrees
            if as_json:
                click.echo(json.dumps(vars(answered) | {"agrees": answered.agrees}, ensure_ascii=False))
            elif not answered.agrees:
                click.echo(f"{answered.name}: expected {answered.expected}, got {answered.got}")
    if not as_json:
        click.echo(f"{len(lines) - wrong} of {len(lines)} proofs are judged as they should be")
    sys.exit(1 if wrong else 0)


def _ask(case: dict[str, Any], command: list[str], folder: Path) -> Answered:
    file = folder / "proof.json"
    file.write_text(json.dumps(case["package"], ensure_ascii=False), encoding="utf-8")
    known = [word for name in ("log_key", "uri") if case[name] for word in (f"--{name.replace('_', '-')}", case[name])]
    try:
        done = subprocess.run([*command, *known, str(file)], capture_output=True, timeout=TIMEOUT_S, check=False)
        got = OUTCOMES.get(done.returncode, f"exit status {done.returncode}")
    except subprocess.TimeoutExpired:
        got = f"no answer within {TIMEOUT_S} s"
    except OSError as error:
        raise click.ClickException(f"{command[0]}: cannot be started: {error.strerror}") from error
    return Answered(case["name"], case["outcome"], got)
