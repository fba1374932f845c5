"""`bench`: how fast, as ratios against a limit or a peer measured in the same run. Nothing here is a test.

The last line of standard output is one JSON object; each ratio is `{numerator, denominator, unit, n, seconds}`. The
peers are development requirements, never used by the platform.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from app import ledger_bench
from app.database import Database
from trace.errors import TraceError
from trace.identifiers.element_string import examine
from trace.identifiers.epc_binary import decode

ROUNDS = 15
REPEATS = 40

ELEMENT_STRINGS = (
    "01095200000000351729123110LOT7\x1d21ABC",
    "0109520000000028112608021730123110CG20260802A\x1d2188000001",
    "00195200000000000018",
    "0109520000000059310200062410PIG-20261120-01",
    "010952000000001121A0001\x1d10XL2601",
    "01995200000000183724\x1d10B1",
    "01095200000000357031009999SLAUGHTER\x1d10X",
    "010952000000004210YM261101\x1d17291031\x1d21V1",
)
"""As a reader sends them behind its AIM identifier; written for this, in the forms of our trade."""

EPCS = (
    "3034257BF7194E4000001A85",
    "30740242201D8840009EFDF7",
    "3156450E003B9ACA02000000",
    "3056450E000000C000001B59",
    "3274257BF46072000000162E",
)


@click.group()
def bench() -> None:
    """Measure, against a peer or a limit in the same run."""


@bench.command()
def identifiers() -> None:
    """Element strings against biip, EPC binaries against epcpy."""
    try:
        import biip  # optional: a development requirement
        from epcpy import hex_to_tag_encodable
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing; run this by ./suyuan bench, which installs it") from error
    raw = ["]d2" + each for each in ELEMENT_STRINGS]
    told = {
        "biip_over_element_string": _ratio(lambda text: biip.parse(text), raw, examine, ELEMENT_STRINGS),
        "epcpy_over_epc": _ratio(
            lambda text: hex_to_tag_encodable(text).epc_uri, EPCS, lambda text: decode(bytes.fromhex(text)).uri, EPCS
        ),
    }
    for name, ratio in told.items():
        times = ratio["numerator"] / ratio["denominator"]
        click.echo(f"{name}: {ratio['numerator']:.1f} us over {ratio['denominator']:.1f} us = {times:.1f}", err=True)
    click.echo(json.dumps(told))
    sys.stdout.flush()


@bench.command()
@click.option("--database", help="SQLAlchemy URL of an empty database [default: SQLite in a temporary folder].")
@click.option("--folder", type=click.Path(file_okay=False, exists=True, path_type=Path), help="Where that one is made.")
@click.option("--short", is_flag=True, help="A tenth of the work: whether it runs, not how fast.")
@click.option("--json", "as_json", is_flag=True, help="The JSON line alone.")
def ledger(database: str | None, folder: Path | None, short: bool, as_json: bool) -> None:
    """The append, proofs and the audit against the signature check and bare SHA-256; a restart."""
    tell = (lambda line: None) if as_json else (lambda line: click.echo(line, err=True))
    size = ledger_bench.SHORT if short else ledger_bench.USUAL
    with TemporaryDirectory(dir=folder, prefix="suyuan-bench-") as name:
        there = Path(name)
        opened = Database(database or f"sqlite:///{there / 'bench.sqlite'}")
        try:
            opened.migrate()
            told = ledger_bench.measure(opened, size, tell)
        except TraceError as error:
            raise click.ClickException(f"{error}; name an empty database") from error
        finally:
            opened.close()
        if database is None:
            (there / "data").mkdir()
            told |= ledger_bench.measure_restart(there / "data", tell, times=1 if short else 3)
    for name, ratio in told.items():
        quotient = ratio["numerator"] / ratio["denominator"]
        tell(f"{name}: {ratio['numerator']:g} over {ratio['denominator']:g} {ratio['unit']} = {quotient:.3f}")
    click.echo(json.dumps(told))
    sys.stdout.flush()


def _ratio(
    peer: Callable[[str], object], peer_input: Sequence[str], ours: Callable[[str], object], our_input: Sequence[str]
) -> dict[str, Any]:
    """Median microseconds of CPU a call, the two in turn, so that a slow moment of the machine strikes both."""
    began = time.monotonic()
    theirs_us, ours_us = [], []
    for _ in range(ROUNDS):
        theirs_us += [_us(peer, text) for text in peer_input]
        ours_us += [_us(ours, text) for text in our_input]
    return {
        "numerator": round(statistics.median(theirs_us), 2),
        "denominator": round(statistics.median(ours_us), 2),
        "unit": "us",
        "n": ROUNDS * len(our_input),
        "seconds": round(time.monotonic() - began, 2),
    }


def _us(call: Callable[[str], object], text: str) -> float:
    began = time.process_time_ns()
    for _ in range(REPEATS):
        call(text)
    return (time.process_time_ns() - began) / REPEATS / 1000
