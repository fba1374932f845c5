"""`witness`: cosign checkpoints of other logs, so that nobody can show two histories of one."""

import json
import logging
import re
import signal
import sys
from pathlib import Path

import click

from app.commands.options import require_free_port, settings_or_exit
from app.database import AlreadyRunningError
from app.witness import DamagedStateError, WitnessServer, open_witness
from trace.errors import ParseError
from trace.ledger.note import SignatureType, VerifierKey
from trace.times import SystemClock

_LISTEN = re.compile(r"(.+):([1-9][0-9]{0,4})")


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the witness's key and memory [default: `witness` in the platform's data folder].",
)
@click.option("--name", help="Name of the witness, like witness.example/county; at the first start.")
@click.option("--listen", default="127.0.0.1:7380", show_default=True, metavar="HOST:PORT", help="Address to serve.")
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="Verifier key of a log that has its origin as name.")
@click.option(
    "--log-as",
    "logs_as",
    multiple=True,
    nargs=2,
    metavar="ORIGIN VKEY",
    help="The same for a log whose key has another name than its origin.",
)
def witness(
    data: Path | None, name: str | None, listen: str, logs: tuple[str, ...], logs_as: tuple[tuple[str, str], ...]
) -> None:
    """Run a witness (c2sp.org/tlog-witness): it cosigns what provably begins with what it cosigned before.

    Prints its verifier key, which goes into policies. Give the witness to somebody else than the log's operator, on
    another machine; never restore its folder from a backup, and never run two on one key.
    """
    folder = data or settings_or_exit(None).data / "witness"
    match = _LISTEN.fullmatch(listen)
    if match is None or int(match[2]) > 65535:
        raise click.ClickException(f"--listen {listen!r}: expected HOST:PORT, like 127.0.0.1:7380")
    host, port = match[1].strip("[]"), int(match[2])
    known: dict[str, tuple[VerifierKey, ...]] = {}
    for origin, key in [*((None, text) for text in logs), *logs_as]:
        read = _log_key(key)
        known[origin or read.name] = (*known.get(origin or read.name, ()), read)
    require_free_port(host, port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with open_witness(folder, name, known, SystemClock()) as opened, WitnessServer((host, port), opened) as server:
            ready = {"kind": "ready", "url": f"http://{listen}", "vkey": str(opened.key), "logs": sorted(known)}
            click.echo(json.dumps(ready, ensure_ascii=False))
            server.serve_forever()
    except (AlreadyRunningError, DamagedStateError, ParseError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(0)


def _log_key(text: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(text)
    except ParseError as error:
        raise click.ClickException(str(error)) from error
    if key.kind is not SignatureType.ED25519:
        raise click.ClickException(f"log {key.name}: type {key.kind:#04x}: expected 0x01, Ed25519")
    return key
