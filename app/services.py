"""What one server process holds: database, sequencer, publisher, keys. Built once, closed once.

The demo's story and the web application are both built on this, so that the story goes through the same doors.
"""

import gc
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from app.database import Database, only_process
from app.settings import Settings
from trace.capture import PlatformSigner
from trace.ledger.checkpoint import verifier_key
from trace.ledger.keys import PrivateKey, fsync_folder
from trace.ledger.merkle import Tree
from trace.publish import Publisher
from trace.query import Log
from trace.register import register_key
from trace.store import ledger_rows
from trace.store.pending import PendingSequencer
from trace.store.sequencer import Sequencer
from trace.times import Clock
from trace.work import Worker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keys:
    """The platform's own secrets, files of mode 0600 in `keys/`."""

    authority: PrivateKey
    attestation: PrivateKey
    log: PrivateKey
    item_secret: bytes
    link_secret: bytes
    """Marks the Digital Links that we issue."""
    web_secret: bytes
    authority_issuer: str
    platform_issuer: str


class Role(StrEnum):
    """What a process does for the log. On SQLite one process does everything."""

    ALL = "all"
    WEB = "web"
    """Verifies and puts parcels down; another process integrates. PostgreSQL only."""


class Services:
    """The running parts. Use `open_services`."""

    def __init__(self, settings: Settings, clock: Clock, database: Database, keys: Keys, role: Role = Role.ALL) -> None:
        self._role = role
        self.settings = settings
        self.clock = clock
        self.database = database
        self.web_secret = keys.web_secret
        self.link_keys = (keys.link_secret,)
        self.reading = database.reading
        self.writing = database.writing
        self.zone_offset = timedelta(minutes=settings.zone_offset_minutes)
        sign, minutes = "-" if settings.zone_offset_minutes < 0 else "+", abs(settings.zone_offset_minutes)
        self.utc_offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        self.log = Log(
            settings.platform,
            settings.origin,
            verifier_key(settings.origin, keys.log.public),
            keys.item_secret,
        )
        log = (settings.platform, settings.origin, keys.item_secret, database.appending, clock)
        self.sequencer: Sequencer | PendingSequencer
        self._integrating: Sequencer | Worker
        if database.postgresql:
            self.sequencer = PendingSequencer(settings.platform, database.appending, database.listening)
            self._integrating = Worker(*log, database.listening, lambda: database.lease("work"))
        else:
            self.sequencer = self._integrating = Sequencer(*log)
        self.authority = self._signer(keys.authority, keys.authority_issuer)
        self.attestation = self._signer(keys.attestation, keys.platform_issuer)
        self._publisher = Publisher(settings.platform, keys.log)
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._publish_loop, name="publisher", daemon=True)
        self._tree = Tree()
        self._tree_lock = threading.Lock()
        self._integrating.on_commit = self._wake.set

    def day_of(self, moment: datetime) -> date:
        """The day on the city's wall clock."""
        return (moment + self.zone_offset).date()

    def _signer(self, key: PrivateKey, issuer: str) -> PlatformSigner:
        @contextmanager
        def exclusive() -> Iterator[None]:
            # Two processes that signed at once would fork the key's chain, and the log would freeze the key.
            if isinstance(self.sequencer, PendingSequencer):
                with self.database.exclusive(f"signer {key.key_id}"):
                    self.sequencer.settle(key.key_id)
                    yield
            else:
                yield

        return PlatformSigner(
            key, issuer, self.settings.origin, self.settings.platform, self.database.reading, self.sequencer, exclusive
        )

    def start(self) -> None:
        if self._role is not Role.WEB:
            self._integrating.start()
        if self.sequencer is not self._integrating:
            self.sequencer.start()
        if self._role is Role.WEB:
            return
        self._register_own_keys()
        self._thread.start()
        self._wake.set()  # what was committed before a crash may not be signed yet

    def close(self) -> None:
        self.sequencer.stop()
        self._integrating.stop()
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.database.close()

    def publish_now(self) -> None:
        """Sign the committed head without waiting for the publisher's thread."""
        with self.writing() as session:
            self._publisher.publish(session)

    def tree(self) -> Tree:
        """A tree that covers at least the newest checkpoint."""
        with self._tree_lock, self.reading() as session:
            head = ledger_rows.require_head(session, self.settings.platform)
            for leaf_hash in ledger_rows.leaf_hashes(session, self.settings.platform, len(self._tree), head.size):
                self._tree.append(leaf_hash)
            return self._tree

    def _register_own_keys(self) -> None:
        """The first leaves of a log: the authority, then the platform's attestation key."""
        now = self.clock.now()
        with self.reading() as session:
            known = ledger_rows.keys(session, self.settings.platform)
        for signer, role, name, name_en in (
            (self.authority, "authority", "注册机构", "Registration authority"),
            (self.attestation, "attestation", "溯源平台", "Suyuan platform"),
        ):
            if signer.public.key_id not in known:
                party = {"name": name, "nameEn": name_en}
                register_key(self.authority, signer.public, signer.issuer, role, now, party)

    def _publish_loop(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self.publish_now()
            except Exception:
                # The log goes on without new checkpoints; the page says "not yet in a signed checkpoint".
                logger.exception("not published")
            if self._stopping:
                return


@contextmanager
def open_services(settings: Settings, clock: Clock, role: Role = Role.ALL) -> Iterator[Services]:
    """Everything, started; stopped at the end of the block.

    Raises: AlreadyRunningError when another process owns the data folder; on PostgreSQL many may use it.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if not settings.postgresql:
            stack.enter_context(only_process(settings.data))
        database = Database(settings.database)
        stack.callback(database.close)
        database.migrate()
        with database.exclusive("keys") if settings.postgresql else nullcontext():
            # Two processes at their first start would each make keys of their own.
            keys = load_keys(settings.keys)
        services = Services(settings, clock, database, keys, role)
        stack.callback(services.close)
        services.start()
        yield services


def spare_the_collector() -> None:
    """What lives as long as the process is not looked through again and again, and a group of parcels is no garbage.

    Called once, when a server process is ready. Python collects after 700 new objects otherwise: many times a group.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def load_keys(folder: Path) -> Keys:
    """The platform's keys, made at the first start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def private(name: str) -> PrivateKey:
        path = folder / f"{name}.key"
        if not path.exists():
            PrivateKey.generate().save(path)
        return PrivateKey.load(path)

    return Keys(
        authority=private("authority"),
        attestation=private("attestation"),
        log=private("log"),
        item_secret=bytes.fromhex(_secret(folder / "item.secret", 32)),
        link_secret=bytes.fromhex(_secret(folder / "link.secret", 32)),
        web_secret=bytes.fromhex(_secret(folder / "web.secret", 32)),
        authority_issuer=_secret(folder / "authority.issuer", 16),
        platform_issuer=_secret(folder / "platform.issuer", 16),
    )


def _secret(path: Path, length: int) -> str:
    """Random bytes in hex, made once and kept durably."""
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with fresh.open("w", encoding="ascii") as file:
            file.write(secrets.token_hex(length))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        fsync_folder(path.parent)
    return path.read_text(encoding="ascii").strip()
