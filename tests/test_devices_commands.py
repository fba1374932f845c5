"""python -m devices: real processes, real pseudo-terminals, a loopback twin of the server."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from capture_twin import CaptureTwin, serving

from trace.ledger.keys import PrivateKey

ROOT = Path(__file__).resolve().parents[1]
Start = Callable[..., "Running"]


class Running:
    """A command that runs until it is told to stop."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devices", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.stdout: IO[str] = self.process.stdout

    def line(self) -> dict[str, Any]:
        return dict(json.loads(self.stdout.readline()))

    def until(self, kind: str) -> dict[str, Any]:
        while True:
            line = self.line()
            if line["kind"] == kind:
                return line

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.stdout.close()


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def run(*arguments: str) -> Running:
        running.append(Running(*arguments))
        return running[-1]

    yield run
    for each in running:
        each.close()


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "devices", *arguments], cwd=ROOT, capture_output=True, input=stdin, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def stations_toml(folder: Path, server: str) -> Path:
    path = folder / "stations.toml"
    reader = """
[[reader]]
name = "{name}"
url = "{protocol}+serial://{port}"
read_point = "https://id.gs1.org/414/9520000000080/254/dock-1"
biz_step = "receiving"
"""
    path.write_text(
        f"""
server = "{server}"
origin = "suyuan.example/test"
issuer = "000102030405060708090a0b0c0d0e0f"
key = "device.key"
outbox = "outbox.db"
utc_offset = "+08:00"
"""
        + reader.format(name="dock", protocol="line", port=folder / "scanner")
        + reader.format(name="gate", protocol="m100", port=folder / "uhf")
    )
    return path


def test_a_scan_walks_from_the_emulated_reader_to_the_server_and_back(start: Start, tmp_path: Path) -> None:
    twin = CaptureTwin()
    with serving(twin) as server:
        made = run("key", "--out", str(tmp_path / "device.key"))
        key_id = PrivateKey.load(tmp_path / "device.key").key_id
        assert json.loads(made.stdout)["key_id"] == key_id
        scanner = start("emulate", "scanner", "--link", str(tmp_path / "scanner"))
        uhf = start("emulate", "uhf", "--link", str(tmp_path / "uhf"))
        twin.edge["scanner"] = scanner.until("ready")["control"]
        uhf_control = uhf.until("ready")["control"]
        station = start("station", str(stations_toml(tmp_path, server)))
        ready = station.until("ready")
        assert ready["key_id"] == key_id
        twin.edge["station"] = ready["control"]
        station.until("connected")
        station.until("connected")

        # A code of each kind through the terminal, the signature and the server.
        scanned = run("scan", "]d20106901234567892<GS>21A1", "--url", server)
        assert scanned.returncode == 0, scanned.stdout + scanned.stderr
        assert json.loads(scanned.stdout) == {
            "digital_link": "https://id.gs1.org/01/06901234567892/21/A1",
            "leaf_index": 0,
            "event_id": twin.events()[0]["eventID"],
        }
        bad = run("scan", "]d20106901234567893<GS>21A1", "--url", server)
        assert bad.returncode == 1
        assert list(json.loads(bad.stdout)) == ["error"]
        httpx.put(f"{uhf_control}/tags", json=[{"epc": "3034257BF7194E4000001A85"}], trust_env=False)
        assert station.until("bad_scan")["reader"] == "dock"
        tag = station.until("recorded")
        assert (tag["reader"], tag["leaf_index"]) == ("gate", 1)

        # Unplugged and plugged in again, the same path.
        assert scanner.end(signal.SIGTERM) == 0
        assert station.until("disconnected")["reader"] == "dock"
        scanner = start("emulate", "scanner", "--link", str(tmp_path / "scanner"))
        twin.edge["scanner"] = scanner.until("ready")["control"]
        assert station.until("connected")["reader"] == "dock"
        again = run("scan", "]d20106901234567892<GS>21A2", "--url", server)
        assert json.loads(again.stdout)["leaf_index"] == 2

        assert station.end(signal.SIGTERM) == 0
        assert [hop.head.seq for hop in twin.hops()] == [1, 2, 3]
        gone = run("scan", "]d20106901234567892<GS>21A3", "--url", server)
        assert gone.returncode == 1
        assert json.loads(gone.stdout)["error"].startswith(f"{twin.edge['station']}/status cannot be reached: ")


def test_scans_wait_on_disk_while_the_server_is_away(start: Start, tmp_path: Path) -> None:
    run("key", "--out", str(tmp_path / "device.key"))
    scanner = start("emulate", "scanner", "--link", str(tmp_path / "scanner"))
    control = scanner.until("ready")["control"]
    station = start("station", str(stations_toml(tmp_path, "http://127.0.0.1:1")))
    status_url = station.until("ready")["control"] + "/status"
    while station.until("connected")["reader"] != "dock":
        pass
    httpx.post(f"{control}/scan", content=b"]d20106901234567892\x1d21A1", trust_env=False)
    # Each answer is an observation of its own; the test's time-out bounds them.
    while httpx.get(status_url, trust_env=False).json()["outbox"]["waiting"] < 1:
        pass
    station.process.kill()
    station.process.wait()
    twin = CaptureTwin()
    with serving(twin) as server:
        station = start("station", str(stations_toml(tmp_path, server)))
        recorded = station.until("recorded")
        assert recorded["raw"] == "]d20106901234567892\x1d21A1"
        assert station.end(signal.SIGINT) == 0
    assert len(twin.log) == 1


def test_listen_shows_what_a_reader_sends(start: Start, tmp_path: Path) -> None:
    scanner = start("emulate", "scanner", "--link", str(tmp_path / "scanner"))
    control = scanner.until("ready")["control"]
    listen = start("listen", f"line+serial://{tmp_path / 'scanner'}")
    assert listen.line()["record"] == "listening"
    httpx.post(f"{control}/scan", content=b"]Q1https://example.org/01/06901234567892", trust_env=False)
    scan = listen.line()
    assert (scan["symbology"], scan["text"]) == ("]Q1", "https://example.org/01/06901234567892")
    assert listen.end(signal.SIGTERM) == 0


def test_frames_decodes_hex_lines_and_raw_bytes(tmp_path: Path) -> None:
    recording = b"BB 02 22 00 11 C9 3400 30751FEB705C5904E3D50D70 3A76 EF 7E  # a tag\n\nBB01FF000115167E\nbb02\n"
    (tmp_path / "recording").write_bytes(recording)
    decoded = run("frames", "--protocol", "m100", str(tmp_path / "recording"))
    records = [json.loads(line) for line in decoded.stdout.splitlines()]
    assert records[0] == {
        "record": "tag",
        "epc": "30751feb705c5904e3d50d70",
        "pc": "3400",
        "rssi_dbm": -55,
        "antenna": None,
        "tag_crc": "3a76",
    }
    assert [record["record"] for record in records] == ["tag", "event", "junk"]
    decoded = run("frames", "--protocol", "line", stdin=b"]E06901234567892\r\ncut")
    scan, junk = map(json.loads, decoded.stdout.splitlines())
    assert (scan["text"], scan["symbology"], junk["raw"]) == ("6901234567892", "]E0", b"cut".hex())


def test_mistakes_are_said_in_one_line(tmp_path: Path) -> None:
    path = stations_toml(tmp_path, "ftp://127.0.0.1")
    cases = [
        (["station", str(tmp_path / "none.toml")], f"Error: {tmp_path / 'none.toml'}: cannot be read: No such file"),
        (
            ["station", str(path)],
            "Error: stations.toml: server is 'ftp://127.0.0.1', expected an http or https address",
        ),
        (["listen", "line+serial:///dev/nothing-here"], "Error: serial port /dev/nothing-here: cannot be opened: "),
        (["listen", "/dev/ttyUSB0"], "Error: reader URL '/dev/ttyUSB0': expected protocol+serial://port"),
        (["frames", "--protocol", "m1000"], "Error: "),
        (["key", "--out", str(path)], "Error: "),
    ]
    for arguments, message in cases:
        done = run(*arguments)
        assert done.returncode != 0
        assert message in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", ["station", "ports", "listen", "frames", "emulate", "scan", "key", "delegate", "withdraw"]
)
def test_every_command_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


SIGNALS_IN_SIGNALS = """
import signal, sys
from trace.stopping import stopped_by_signal

stopped = stopped_by_signal()
deep = 0

def again(frame, event, argument):
    global deep
    if event == "call" and deep < 12:
        deep += 1
        signal.raise_signal(signal.SIGTERM)  # while the handler of the one before is at work

sys.setprofile(again)
signal.raise_signal(signal.SIGTERM)
while not stopped():
    pass
print("stopped")
"""


def test_a_signal_inside_a_signal_stops_the_command_and_does_not_hang_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS_IN_SIGNALS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
