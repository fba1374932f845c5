"""What one server process holds: database, sequencer, publisher, secrets, the signer's address. Built and closed once.

Private keys are not among it: the signer has them, and signs for `authority`, `attestation` and the publisher.

The demo's story and the web application are both built on this, so that the story goes through the same doors.
"""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from app.database import Database, only_process
from app.settings import Settings
from app.signing import SignerKeys, platform_signer, signer_keys
from signer.client import SignerClient
from trace.capture import PlatformSigner
from trace.errors import UnavailableError
from trace.ledger.checkpoint import verifier_key
from trace.ledger.keys import SigningKey, fsync_folder
from trace.ledger.merkle import Tree
from trace.publish import Publisher
from trace.query import Log
from trace.register import register_key
from trace.store import ledger_rows
from trace.store.sequencer import Sequencer
from trace.times import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Secrets:
    """What the web process itself must know, files of mode 0600 in `keys/`."""

    item_secret: bytes
    link_secret: bytes
    """Marks the Digital Links that we issue."""
    web_secret: bytes
    admin_secret: bytes
    """Lets the command line of the same machine act on the running server."""
    authority_issuer: str
    platform_issuer: str


class Services:
    """The running parts. Use `open_services`."""

    def __init__(
        self, settings: Settings, clock: Clock, database: Database, secrets: Secrets, keys: SignerKeys
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.database = database
        self.web_secret = secrets.web_secret
        self.admin_secret = secrets.admin_secret
        self.link_keys = (secrets.link_secret,)
        self.reading = database.reading
        self.writing = database.writing
        self.zone_offset = timedelta(minutes=settings.zone_offset_minutes)
        sign, minutes = "-" if settings.zone_offset_minutes < 0 else "+", abs(settings.zone_offset_minutes)
        self.utc_offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        self.log = Log(
            settings.platform,
            settings.origin,
            verifier_key(settings.origin, keys.log.public),
            secrets.item_secret,
        )
        self.sequencer = Sequencer(settings.platform, settings.origin, secrets.item_secret, database.writing, clock)
        self.authority = self._signer(keys.authority, secrets.authority_issuer)
        self.attestation = self._signer(keys.attestation, secrets.platform_issuer)
        self._keys = keys
        self._publisher = Publisher(settings.platform, keys.log)
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._publish_loop, name="publisher", daemon=True)
        self._tree = Tree()
        self._tree_lock = threading.Lock()
        self.sequencer.on_commit = self._wake.set

    def day_of(self, moment: datetime) -> date:
        """The day on the city's wall clock."""
        return (moment + self.zone_offset).date()

    def _signer(self, key: SigningKey, issuer: str) -> PlatformSigner:
        return PlatformSigner(
            key, issuer, self.settings.origin, self.settings.platform, self.database.reading, self.sequencer
        )

    def start(self) -> None:
        self.sequencer.start()
        self._register_own_keys()
        self._thread.start()
        self._wake.set()  # what was committed before a crash may not be signed yet

    def close(self) -> None:
        self.sequencer.stop()
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
                self._keys.require_signer()
                self.publish_now()
            except UnavailableError as error:
                # The signer is being started again: nothing else will wake us for what waits.
                logger.warning("not published now: %s", error)
                if not self._stopping:
                    self._wake.wait(error.retry_after_s)
                    self._wake.set()
            except Exception:
                # The log goes on without new checkpoints; the page says "not yet in a signed checkpoint".
                logger.exception("not published")
            if self._stopping:
                return


@contextmanager
def open_services(settings: Settings, clock: Clock, *, watched_signer: bool = False) -> Iterator[Services]:
    """Everything, started; stopped at the end of the block.

    A signer that nobody has started is started for the block, unless somebody else watches it (`watched_signer`).
    Raises: AlreadyRunningError when another process owns the data folder; UnavailableError when there is no signer
    and its public keys are not known yet; LedgerError when the signer is another platform's.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(only_process(settings.data))
        if not watched_signer:
            stack.enter_context(platform_signer(settings))
        client = SignerClient(settings.signer_socket)
        stack.callback(client.close)
        secrets = load_secrets(settings.keys)
        keys = signer_keys(settings, client)
        database = Database(settings.database)
        stack.callback(database.close)
        database.migrate()
        services = Services(settings, clock, database, secrets, keys)
        stack.callback(services.close)
        services.start()
        yield services


def load_secrets(folder: Path) -> Secrets:
    """The platform's secrets, made at the first start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Secrets(
        item_secret=bytes.fromhex(_secret(folder / "item.secret", 32)),
        link_secret=bytes.fromhex(_secret(folder / "link.secret", 32)),
        web_secret=bytes.fromhex(_secret(folder / "web.secret", 32)),
        admin_secret=bytes.fromhex(_secret(folder / "admin.secret", 32)),
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
