"""How fast the ledger is, each figure beside a limit that is measured in the same run (docs/decisions/0007).

    batch_over_verify      a parsed parcel's way into the ledger tables: verified, decided, leaf, tree, rows of leaf
                           and envelope, head, one commit each 512; two items, no disclosures. Events per CPU-second
                           over bare PyNaCl verifies per CPU-second
    parsed_over_verify     the same from the payload's bytes on: with the strict reading of the signed JSON
    capture_over_verify    the same from the parcel's bytes on, disclosures, event, items, hops and edges included
    singles32_over_limit   32 clients that verify one parcel, submit it and wait, over one event a verify and 30 us
    events_per_commit32    how many of them share a durable commit
    workers2_over_bare2    our speed-up from a second thread that verifies, over that of bare PyNaCl
    proof_us               an inclusion proof, beside checking one
    audit_over_ceiling     records to leaf hashes to root, over three bare SHA-256 of 64 bytes a leaf
    restart_s              kill -9 of the server's worker until it answers again

CPU time is this process's own: of PostgreSQL it is the client's side. Nothing here is a test, and nothing is faster
for being measured: what is timed is what the server runs.
"""

import gc
import hashlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from nacl.signing import VerifyKey

from app.database import Database
from app.services import spare_the_collector
from trace.capture import Signed, capture_many, check, verify_many
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import record_hash
from trace.ledger.merkle import Tree
from trace.ledger.payload import Signer, parse_payload
from trace.ledger.verify_primitives import included
from trace.store.driver import Driver
from trace.store.intake import Intake, Receipt
from trace.store.integrator import MAX_GROUP, Integrator
from trace.store.sequencer import Sequencer
from trace.store.writing import Rows
from trace.times import SystemClock

ORIGIN = "bench.example"
DEVICES = 32
PROOFS = 2000
CLIENTS = 32
ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60
OVERHEAD_US = 30
"""What a single may cost on top of its signature check (the issue's limit)."""

Ratio = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    groups: int
    """Groups of MAX_GROUP a round."""
    singles: int
    """Parcels a client sends."""
    tree: int
    """Leaves of the tree that proofs and the audit are measured on."""


USUAL = Size(rounds=5, groups=4, singles=60, tree=100_000)
SHORT = Size(rounds=2, groups=1, singles=10, tree=5_000)


class LedgerOnly(Integrator):
    """Writes the ledger tables and leaves the index alone."""

    def _write(self, rows: Rows, driver: Driver) -> None:
        rows.write_ledger(driver)


class Bench:
    """One log on one database, and devices that sign for it."""

    def __init__(self, database: Database, size: Size) -> None:
        self.database = database
        self.size = size
        clock = SystemClock()
        self.clock = clock
        secret = bytes(32)
        self.sequencer = Sequencer(1, ORIGIN, secret, database.appending, clock)
        self.sequencer.start()
        self.ledger_only = LedgerOnly(1, ORIGIN, secret, database.appending, clock)
        authority = Signer(PrivateKey.generate(), uuid.uuid4().hex, ORIGIN)
        keys = [PrivateKey.generate() for _ in range(DEVICES)]
        self.devices = [Signer(key, uuid.uuid4().hex, ORIGIN) for key in keys]
        registered = [(authority._key, authority.issuer, "authority")]
        registered += [(key, device.issuer, "device") for key, device in zip(keys, self.devices, strict=True)]
        for key, issuer, role in registered:
            body: JsonObject = {"alg": 1, "public": b64u(key.public.raw), "issuer": issuer, "role": role}
            parcel = authority.statement("keyreg", body, split({}), clock.now())
            with database.reading() as session:
                self.sequencer.submit(check(session, 1, ORIGIN, parcel))
        self.public = {key.key_id: key.public for key in keys}

    def parcels(self, count: int) -> list[Parcel]:
        """Signed hops of two things each, the devices in turn."""
        return [self.devices[n % DEVICES].hop(split(_event()), self.clock.now()) for n in range(count)]

    def intakes(self, parcels: Sequence[Parcel]) -> list[Intake]:
        """As the ledger tables take them: the event is not told."""
        with self.database.reading() as session:
            checked = [check(session, 1, ORIGIN, parcel) for parcel in parcels]
        return [
            replace(each, parcel=_unhashed(each.parcel, ()), disclosures=(), event=None, view=None) for each in checked
        ]

    def signed(self, parcels: Sequence[Parcel]) -> list[Signed]:
        return [Signed.of(self.public[each.envelope.key_id], each.envelope) for each in parcels]


def measure(database: Database, size: Size, tell: Callable[[str], None]) -> dict[str, Ratio]:
    """All ratios but the restart. The database must hold no log."""
    spare_the_collector()
    bench = Bench(database, size)
    try:
        told = _batches(bench, tell)
        told |= _singles(bench, tell)
        told |= _workers(bench, tell)
    finally:
        bench.sequencer.stop()
    return told | _tree(size, tell)


# ---- batches ------------------------------------------------------------------------------------


def _batches(bench: Bench, tell: Callable[[str], None]) -> dict[str, Ratio]:
    began = time.monotonic()
    count = MAX_GROUP * bench.size.groups
    bare: list[float] = []
    ours: dict[str, list[float]] = {"batch": [], "parsed": [], "capture": []}
    # One way after the other: what one leaves in the database's log is not to be tidied up at the cost of another.
    for name, rates in ours.items():
        tell(f"{name}: {bench.size.rounds} rounds of {count}")
        for _ in range(bench.size.rounds):
            bare.append(_per_cpu_second(count, _bare, bench.signed(bench.parcels(count))))
            if name == "capture":
                bench.sequencer._integrator.load()
                data = [each.to_bytes() for each in bench.parcels(count)]
                rates.append(_per_cpu_second(count, _whole, bench, data))
            else:
                intakes = bench.intakes(bench.parcels(count))
                bench.ledger_only.load()
                rates.append(_per_cpu_second(count, _ledger, bench, intakes, name == "parsed"))
    seconds = time.monotonic() - began
    return {
        f"{name}_over_verify": _ratio(
            statistics.median(rates), statistics.median(bare), "1/CPU-s", count * len(rates), seconds
        )
        for name, rates in ours.items()
    }


def _bare(signed: Sequence[Signed]) -> None:
    """The limit: libsodium through PyNaCl, and nothing of ours but the loop."""
    keys = {each.key.raw: VerifyKey(each.key.raw) for each in signed}
    for each in signed:
        keys[each.key.raw].verify(each.message, each.signature)


def _ledger(bench: Bench, intakes: Sequence[Intake], parse: bool) -> None:
    for start in range(0, len(intakes), MAX_GROUP):
        group = intakes[start : start + MAX_GROUP]
        if parse:
            group = [replace(each, payload=parse_payload(each.parcel.envelope)) for each in group]
        wrong = verify_many(bench.signed([each.parcel for each in group]), 1)
        assert wrong == [None] * len(group)
        outcomes = bench.ledger_only.integrate(group)
        assert all(isinstance(each, Receipt) and each.new for each in outcomes), outcomes[0]


def _whole(bench: Bench, data: Sequence[bytes]) -> None:
    for start in range(0, len(data), MAX_GROUP):
        with bench.database.reading() as session:
            outcomes = capture_many(session, 1, ORIGIN, data[start : start + MAX_GROUP], bench.sequencer)
        assert all(isinstance(each, Receipt) and each.new for each in outcomes), outcomes[0]


# ---- singles ------------------------------------------------------------------------------------


def _singles(bench: Bench, tell: Callable[[str], None]) -> dict[str, Ratio]:
    began = time.monotonic()
    count = CLIENTS * bench.size.singles
    rates, limits, shared = [], [], []
    for number in range(bench.size.rounds):
        tell(f"singles, round {number + 1} of {bench.size.rounds}")
        parcels = bench.parcels(count)
        work = list(zip(bench.signed(parcels), bench.intakes(parcels), strict=True))
        verify_s = 1 / _per_cpu_second(count, _bare, [signed for signed, _ in work])
        limits.append(1 / (verify_s + OVERHEAD_US / 1e6))
        with _single_path(bench) as (sequencer, commits), ThreadPoolExecutor(CLIENTS) as pool:
            # A device's parcels are sent one after the other, by one client.
            shares = [work[number::CLIENTS] for number in range(CLIENTS)]
            rates.append(_per_cpu_second(count, lambda: list(pool.map(_client, shares, [sequencer] * CLIENTS))))  # noqa: B023
            shared.append(count / len(commits))
    seconds = time.monotonic() - began
    return {
        "singles32_over_limit": _ratio(
            statistics.median(rates), statistics.median(limits), "1/CPU-s", count * len(rates), seconds
        ),
        "events_per_commit32": _ratio(statistics.median(shared), 1, "events/commit", count * len(rates), seconds),
    }


def _client(share: Sequence[tuple[Signed, Intake]], sequencer: Sequencer) -> None:
    for signed, intake in share:
        signed.key.verify(signed.signature, signed.message)
        assert sequencer.submit(intake).new


@contextmanager
def _single_path(bench: Bench) -> Any:
    """A sequencer that writes the ledger tables alone, and its commits."""
    sequencer = Sequencer(1, ORIGIN, bytes(32), bench.database.appending, bench.clock)
    sequencer._integrator = bench.ledger_only
    commits: list[None] = []
    sequencer.on_commit = lambda: commits.append(None)
    sequencer.start()
    try:
        yield sequencer, commits
    finally:
        sequencer.stop()


# ---- verifiers ----------------------------------------------------------------------------------


def _workers(bench: Bench, tell: Callable[[str], None]) -> dict[str, Ratio]:
    tell("two verifiers")
    began = time.monotonic()
    count = MAX_GROUP * 4
    signed = bench.signed(bench.parcels(count))
    half = count // 2
    with ThreadPoolExecutor(2) as pool:

        def bare_by_two() -> None:
            list(pool.map(_bare, (signed[:half], signed[half:])))

        ways: dict[str, Callable[[], object]] = {
            "bare1": lambda: _bare(signed),
            "bare2": bare_by_two,
            "ours1": lambda: verify_many(signed, 1),
            "ours2": lambda: verify_many(signed, 2),
        }
        wall: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(bench.size.rounds * 3):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                wall[name].append(time.perf_counter() - start)
    # The best of each: what another process takes away is not the threads' fault.
    best = {name: min(times) for name, times in wall.items()}
    return {
        "workers2_over_bare2": _ratio(
            best["ours1"] / best["ours2"],
            best["bare1"] / best["bare2"],
            "times",
            count * bench.size.rounds * 3,
            time.monotonic() - began,
        )
    }


# ---- the tree -----------------------------------------------------------------------------------


def _tree(size: Size, tell: Callable[[str], None]) -> dict[str, Ratio]:
    tell(f"a tree of {size.tree} leaves")
    began = time.monotonic()
    records = [
        f"{ORIGIN}/hop/v1\nissuer {n:032x} {n:064x} 1 -\nrcv 1795489445678\nenv {'A' * 44} 1/1\n"
        + f"item {'A' * 44} 1 - -\n" * 2
        for n in range(size.tree)
    ]
    tree = Tree(map(record_hash, records))
    stored = [tree.leaf_hash(n) for n in range(size.tree)]
    asked = [int.from_bytes(hashlib.sha256(b"%d" % n).digest()[:8]) % size.tree for n in range(PROOFS)]
    proof_us, check_us, audit, ceiling = [], [], [], []
    for _ in range(size.rounds):
        proof_us.append(1e6 / _per_cpu_second(PROOFS, _prove, tree, asked))
        check_us.append(1e6 / _per_cpu_second(PROOFS, _check_proofs, tree, asked, _prove(tree, asked)))
        audit.append(_per_cpu_second(size.tree, _recompute, records, stored, tree.root()))
        ceiling.append(_per_cpu_second(size.tree, _three_hashes, size.tree))
    seconds = time.monotonic() - began
    return {
        "proof_us": _ratio(
            statistics.median(proof_us), statistics.median(check_us), "us", PROOFS * size.rounds, seconds
        ),
        "audit_over_ceiling": _ratio(
            statistics.median(audit), statistics.median(ceiling), "leaves/CPU-s", size.tree * size.rounds, seconds
        ),
    }


def _prove(tree: Tree, asked: Sequence[int]) -> list[list[bytes]]:
    size = len(tree)
    return [tree.inclusion_path(n, size) for n in asked]


def _check_proofs(tree: Tree, asked: Sequence[int], paths: Sequence[list[bytes]]) -> None:
    size, root = len(tree), tree.root()
    for n, path in zip(asked, paths, strict=True):
        assert included(tree.leaf_hash(n), n, size, path, root)


def _recompute(records: Sequence[str], stored: Sequence[bytes], root: bytes) -> None:
    again = [record_hash(record) for record in records]
    assert again == stored
    assert Tree(again).root() == root


def _three_hashes(leaves: int) -> None:
    block, sha256 = bytes(64), hashlib.sha256
    for _ in range(leaves):
        sha256(block).digest()
        sha256(block).digest()
        sha256(block).digest()


# ---- restart ------------------------------------------------------------------------------------


def measure_restart(folder: Path, tell: Callable[[str], None], times: int = 3) -> dict[str, Ratio]:
    """kill -9 of a server's worker; the denominator is how long an answer takes when nothing happened."""
    tell("kill -9 and again")
    began = time.monotonic()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = (sys.executable, "-m", "app", "serve", "--data", str(folder), "--port", str(port))
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took, usual = [], []
    try:
        _answer_s(port)
        for _ in range(times):
            usual.append(_answer_s(port))
            worker = int((folder / "server.lock").read_text(encoding="ascii"))
            os.kill(worker, signal.SIGKILL)
            took.append(_answer_s(port, not_by=worker, folder=folder))
    finally:
        server.terminate()
        server.wait(30)
    return {
        "restart_s": _ratio(statistics.median(took), statistics.median(usual), "s", times, time.monotonic() - began)
    }


def _answer_s(port: int, not_by: int | None = None, folder: Path | None = None) -> float:
    """Seconds until the server answers; after a kill, by another worker than the one that was killed."""
    began = time.monotonic()
    while True:
        try:
            told = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            told = False
        if told and (folder is None or (folder / "server.lock").read_text(encoding="ascii").strip() != str(not_by)):
            return time.monotonic() - began
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError(f"the server did not answer within {PATIENCE_S} s")
        time.sleep(0.005)


# ---- helpers ------------------------------------------------------------------------------------


def _event() -> JsonObject:
    serial = uuid.uuid4().hex[:16]
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "ObjectEvent",
        "eventID": uuid.uuid4().urn,
        "eventTime": "2026-11-01T00:59:00.000Z",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "readPoint": {"id": "https://id.gs1.org/414/9520000000134/254/dock-1"},
        "epcList": [f"https://id.gs1.org/01/09520000000028/21/{serial}{n}" for n in (1, 2)],
    }


def _unhashed(parcel: Parcel, disclosures: tuple[str, ...]) -> Parcel:
    """The same parcel, whose hashes nobody has asked for yet."""
    return Parcel(replace(parcel.envelope), disclosures)


def _per_cpu_second(count: int, work: Callable[..., object], *args: object) -> float:
    """So many of them in a second of this process's CPU time, all threads together."""
    # What lies ready for the measurement is not the collector's work in a server.
    gc.collect()
    gc.freeze()
    began = time.process_time_ns()
    work(*args)
    spent = time.process_time_ns() - began
    gc.unfreeze()
    return count / spent * 1e9


def _ratio(numerator: float, denominator: float, unit: str, n: int, seconds: float) -> Ratio:
    return {
        "numerator": round(numerator, 3),
        "denominator": round(denominator, 3),
        "unit": unit,
        "n": n,
        "seconds": round(seconds, 2),
    }
