"""`python -m devices`: composition root and command line of the edge.

Standard output is JSON lines for programs, standard error is for people.
"""

import json
import logging
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from devices.control import ControlServer, station_routes
from devices.demo_scan import demo_scan, parse_code
from devices.emulators.run import EMULATORS
from devices.journal import News
from devices.link import LinkError
from devices.outbox import Outbox, Waiting
from devices.ports import ports as serial_ports
from devices.pump import ended, pump
from devices.reader_url import ReaderUrl
from devices.settings import StationSettings
from devices.show import shown
from devices.station import Station
from devices.uplink import http_client
from scanners.registry import decoder as new_decoder
from trace.errors import TraceError
from trace.files import fsync_folder
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u, from_hex
from trace.ledger.key_request import REQUESTED_ROLES, KeyRequest, make_request
from trace.ledger.keys import PrivateKey
from trace.ledger.payload import Signer
from trace.stopping import stopped_by_signal
from trace.times import SystemClock

FOLDER = click.Path(path_type=Path)


class _Commands(click.Group):
    """Says what is wrong in one line; a traceback is for our own mistakes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TraceError, LinkError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands)
@click.option("-v", "--verbose", is_flag=True, help="Also say what is going on in detail.")
def main(verbose: bool) -> None:
    """The edge: readers, stations, emulators."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("devices").setLevel(logging.DEBUG if verbose else logging.INFO)
    # One line a request is too much for a station that sends one request a scan.
    logging.getLogger("httpx").setLevel(logging.WARNING)


@main.command()
@click.argument("file", type=FOLDER)
def station(file: Path) -> None:
    """Run the readers of FILE, a stations.toml, until SIGTERM or Ctrl-C.

    \b
    Of the station:
      server        address of the platform, http://127.0.0.1:8000
      origin        name of the platform's log
      issuer        pseudonym of the enterprise, 32 hex digits
      key           file of the device key (made by `key --out FILE`)
      outbox        file in which parcels wait until the server has answered
      utc_offset    of the place, +08:00
      log_key       verifier key of the log (optional): its checkpoints are
                    watched, and each hop says which one was seen
      control_port  loopback port for GET /status and /events; 0 (default): any
    Of each [[reader]]:
      name, url     url like line+serial:///dev/ttyUSB0?baud=9600
                    more options behind &: of line prefix, suffix, gs (the
                    character sent for GS, gs=|), cut_off_s; of m100 region,
                    power_dbm, dialect
      read_point    URI of the place where it hangs
      biz_location  URI of the place where things are afterwards (optional)
      biz_step, disposition   CBV words (disposition is optional)
      action        OBSERVE (default), ADD or DELETE
      hold_off_s    tags: gone for so long, observed anew (default 3)

    A commented example is devices/stations.example.toml.

    Prints one JSON line when ready, with the address of the control port, and one for everything that happens:
    recorded, refused, bad_scan, junk, repeated, connected, disconnected.
    """
    settings = StationSettings.load(file)
    key = PrivateKey.load(settings.key)
    outbox = Outbox(settings.outbox, key.key_id)
    stopped = stopped_by_signal()
    with http_client(settings.server) as client:
        running = Station(
            settings.readers,
            key=key,
            issuer=settings.issuer,
            origin=settings.origin,
            utc_offset=settings.utc_offset,
            server=settings.server,
            outbox=outbox,
            client=client,
            clock=SystemClock(),
            rng=random.SystemRandom(),
            log_key=settings.log_key,
            seen_file=settings.outbox.with_suffix(".seen"),
        )
        control = ControlServer(station_routes(running.journal, running.status), port=settings.control_port)
        running.start()
        newest = 0
        try:
            _print({"kind": "ready", "control": control.url, "key_id": key.key_id})
            while not stopped():
                newest = _print_news(running.journal.after(newest, wait_s=0.2))
        finally:
            running.stop()
            control.close()
            _print_news(running.journal.after(newest, wait_s=0))
    outbox.close()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def ports(as_json: bool) -> None:
    """List serial ports, those with a lasting name first.

    Use the first column in the url of a reader: line+serial://PATH?baud=9600
    """
    found = serial_ports()
    for port in found:
        if as_json:
            _print(port.to_dict())
        else:
            ids = "" if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
            click.echo(f"{port.path}  {port.device}  {ids}  {port.serial_number or '-'}  {port.description}")
    if not found:
        click.echo("no serial ports found", err=True)


@main.command()
@click.argument("url")
def listen(url: str) -> None:
    """Show what the reader at URL sends, one JSON line a record, until Ctrl-C. Nothing is recorded.

    URL is like line+serial:///dev/ttyUSB0?baud=9600 or m100+serial:///dev/ttyUSB1?baud=115200
    """
    reader = ReaderUrl.parse(url)
    decoder = reader.decoder()
    stopped = stopped_by_signal()
    link = reader.link()
    link.open()
    try:
        _print({"record": "listening", "url": url})
        for records in pump(link, decoder, clock=SystemClock(), stopped=stopped):
            for record in records:
                _print(shown(record))
    finally:
        link.close()


@main.command()
@click.option("--protocol", required=True, help="How the reader speaks: line, m100.")
@click.option("--raw", "form", flag_value="raw", help="FILE holds the bytes themselves (default for line).")
@click.option("--hex", "form", flag_value="hex", help="FILE holds lines of hex digits (default for all others).")
@click.argument("file", type=click.File("rb"), default="-")
def frames(protocol: str, form: str | None, file: BinaryIO) -> None:
    """Decode recorded bytes from FILE (standard input without it), one JSON line a record.

    A line of hex is one burst, with silence after it; spaces and what stands behind # are ignored.
    """
    try:
        decoder = new_decoder(protocol)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    recorded = file.read()
    chunks = [recorded] if (form or ("raw" if protocol == "line" else "hex")) == "raw" else _hex_lines(recorded)
    clock = SystemClock()
    for chunk in chunks:
        for record in [*decoder.receive(chunk, clock.now()), *ended(decoder, clock)]:
            _print(shown(record))


@main.command()
@click.argument("kind", type=click.Choice(sorted(EMULATORS)))
@click.option("--link", required=True, type=FOLDER, help="Path that becomes the reader's port.")
@click.option("--control", default=0, show_default=True, type=click.IntRange(0, 65_535), help="Loopback port; 0: any.")
def emulate(kind: str, link: Path, control: int) -> None:
    """Be a reader on a pseudo-terminal, until SIGTERM or Ctrl-C.

    \b
    scanner  a line scanner. POST /scan with the bytes of a code, like ]d201095...
    uhf      an M100 UHF module. PUT /tags with [{"epc": "3034...", "pc": "3000"}]; pc may be left out

    Prints one JSON line when ready, with the port and the address of the control port.
    """
    stopped = stopped_by_signal()
    emulated = EMULATORS[kind](link, control_port=control, clock=SystemClock())
    try:
        _print(
            {"kind": "ready", "link": str(link), "terminal": emulated.host.terminal, "control": emulated.control.url}
        )
        while not stopped():
            time.sleep(0.2)
    finally:
        emulated.close()


@main.command()
@click.argument("code")
@click.option("--url", required=True, help="Address of the running demo, like http://127.0.0.1:8000")
@click.option("--timeout", "timeout_s", default=20.0, show_default=True, type=click.FloatRange(0.1, 600), metavar="S")
def scan(code: str, url: str, timeout_s: float) -> None:
    """Push CODE through the running demo's scanner and print where it was recorded.

    CODE is what a scanner sends, AIM identifier first; write <GS> for the separator:
    ']d2010690123456789211261120<GS>21ABC123'

    Prints {"digital_link", "leaf_index", "event_id"}, or {"error"} and ends with status 1.
    """
    try:
        with http_client(url) as client:
            recorded = demo_scan(url, parse_code(code), timeout_s=timeout_s, client=client)
    except TraceError as error:
        _print({"error": str(error)})
        sys.exit(1)
    _print(asdict(recorded))


@main.command()
@click.option("--out", type=FOLDER, help="New file for the private key; an existing one is not touched.")
@click.option("--key", "existing", type=FOLDER, help="File of a key that is there already, instead of --out.")
@click.option("--request", type=FOLDER, help="New file: asks the platform to register the key, proves that we have it.")
@click.option("--origin", help="With --request: name of the platform's log.")
@click.option("--issuer", help="With --request: pseudonym of the enterprise, 32 hex digits; without it a new party.")
@click.option("--role", default="device", show_default=True, type=click.Choice(REQUESTED_ROLES), help="With --request.")
def key(
    out: Path | None, existing: Path | None, request: Path | None, origin: str | None, issuer: str | None, role: str
) -> None:
    """Make a device or enterprise key and print its public half as JSON, for the enrolment at the platform.

    The platform registers it with `./suyuan keys enrol REQUEST`, an enterprise its own devices with `delegate`.
    """
    if (out is None) == (existing is None):
        raise click.UsageError("give --out for a new key, or --key for one that is there")
    if (request is None) != (origin is None):
        raise click.UsageError("--request and --origin go together")
    if issuer is not None:
        from_hex(issuer, "issuer", 16)
    if out is not None:
        made = PrivateKey.generate()
        made.save(out)
    else:
        assert existing is not None, "one of the two is there"
        made = PrivateKey.load(existing)
    if request is not None and origin is not None:
        _write_new(request, make_request(made, origin, issuer, role))
    public = made.public
    _print({"key_id": public.key_id, "alg": int(public.algorithm), "public": b64u(public.raw)})


@main.command()
@click.argument("request", type=FOLDER)
@click.option("--key", "file", required=True, type=FOLDER, help="File of the enterprise's key.")
@click.option("--issuer", required=True, help="Pseudonym of the enterprise, 32 hex digits.")
@click.option("--chain", required=True, type=FOLDER, help="File that keeps the chain of the enterprise's key.")
@click.option("--out", required=True, type=FOLDER, help="New file for the parcel.")
def delegate(request: Path, file: Path, issuer: str, chain: Path, out: Path) -> None:
    """Register a device of an enterprise with the enterprise's own key: makes the signed parcel, offline.

    REQUEST comes from the device (`key --request`); the same one again gives the same parcel. The platform takes it at
    POST /capture, from anybody:

    \b
    curl -H 'Content-Type: application/vnd.suyuan.parcel+json' --data-binary @OUT https://PLATFORM/capture
    """
    asked = KeyRequest.parse(request.read_bytes()[:8_192])
    if asked.role != "device":
        raise click.ClickException(f"{request}: asks for role {asked.role}; an enterprise registers devices")
    note = asked.key.key_id
    signed = _statement(file, issuer, asked.origin, chain, note, "keyreg", asked.body(issuer))
    _write_new(out, signed.parcel)
    _print({"key_id": note, "issuer": issuer, "seq": signed.seq, "parcel": str(out)})


@main.command()
@click.argument("key_id")
@click.option("--key", "file", required=True, type=FOLDER, help="File of the enterprise's key.")
@click.option("--issuer", required=True, help="Pseudonym of the enterprise, 32 hex digits.")
@click.option("--origin", required=True, help="Name of the platform's log.")
@click.option("--chain", required=True, type=FOLDER, help="File that keeps the chain of the enterprise's key.")
@click.option("--out", required=True, type=FOLDER, help="New file for the parcel.")
@click.option(
    "--compromised-from",
    type=click.IntRange(0),
    metavar="INDEX",
    help="First leaf that the thief may have signed: the key's leaves from there on are disputed.",
)
def withdraw(
    key_id: str, file: Path, issuer: str, origin: str, chain: Path, out: Path, compromised_from: int | None
) -> None:
    """End a device key of an enterprise with the enterprise's own key: makes the signed parcel, offline.

    For KEY_ID, 64 hex digits, as `delegate` does it; the parcel goes to POST /capture.
    """
    from_hex(key_id, "key id", 32)
    body = {"key": key_id, "compromisedFrom": compromised_from}
    signed = _statement(file, issuer, origin, chain, f"withdraw {key_id}", "keyrev", body)
    _write_new(out, signed.parcel)
    _print({"key_id": key_id, "issuer": issuer, "seq": signed.seq, "parcel": str(out)})


def _statement(
    file: Path, issuer: str, origin: str, chain: Path, note: str, kind: str, body: dict[str, Any]
) -> Waiting:
    """A statement of an enterprise, once for each `note`."""
    enterprise = PrivateKey.load(file)
    outbox = Outbox(chain, enterprise.key_id)
    try:
        seq, prev = outbox.state()
        signed = next((each for each in outbox.waiting(seq) if each.note == note), None)
        if signed is None:
            signer = Signer(enterprise, issuer, origin, seq, prev)
            parcel = signer.statement(kind, body, split({}), SystemClock().now())
            # The chain first: a number that may be out there is never signed a second time.
            outbox.add(signer.seq, parcel.payload_hash, parcel.to_bytes(), note)
            signed = Waiting(signer.seq, parcel.to_bytes(), note)
    finally:
        outbox.close()
    return signed


class _LogLine(logging.Formatter):
    """`INFO devices.reader: reader lost reader=dock reason=...`: message and fields."""

    _usual = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in record.__dict__.items() if name not in self._usual)
        line, *trace = super().format(record).split("\n")
        return "\n".join([f"{record.levelname} {record.name}: {line}{fields}", *trace])


def _print(value: dict[str, Any]) -> None:
    """A JSON line. When nobody reads any more the program goes on: a station's work is not its printing."""
    try:
        print(json.dumps(value, ensure_ascii=True), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_new(path: Path, data: bytes) -> None:
    """A new file, on disk when this returns; an existing one is not touched."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.resolve().parent)


def _print_news(news: News) -> int:
    for event in news.events:
        _print(event)
    return news.newest


def _hex_lines(recorded: bytes) -> Iterator[bytes]:
    for number, line in enumerate(recorded.decode("ascii", "replace").splitlines(), start=1):
        digits = line.split("#")[0].strip()
        try:
            chunk = bytes.fromhex(digits)
        except ValueError as error:
            raise click.ClickException(f"line {number} {digits[:60]!r}: expected hex digits") from error
        if chunk:
            yield chunk


if __name__ == "__main__":
    main()
