"""What one server process holds: database, sequencer, publisher, secrets, the signer's address. Built and closed once.

Private keys are not among it: the signer has them, and signs for `authority`, `attestation` and the publisher.

The demo's story and the web application are both built on this, so that the story goes through the same doors.
"""

import gc
import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from app.database import Database, only_process
from app.settings import Settings, SettingsError
from app.signing import SignerKeys, platform_signer, signer_keys
from app.witnesses import Witnesses
from trace.capture import PlatformSigner
from trace.errors import LedgerError, ParseError, UnavailableError
from trace.files import replace_file
from trace.ledger.checkpoint import verifier_key
from trace.ledger.keys import SigningKey
from trace.ledger.merkle import Tree
from trace.ledger.policy import Policy
from trace.publish import FORKED, Publisher, SecondHead, wait_for_witnesses
from trace.query import Log
from trace.register import register_key
from trace.signer.client import SignerClient
from trace.store import ledger_rows
from trace.store.pending import PendingSequencer
from trace.store.sequencer import Sequencer
from trace.times import Clock
from trace.work import Worker

logger = logging.getLogger(__name__)

CHECKPOINT_PAUSE_S = 0.2
"""Between two checkpoints at least: each takes the write lock for some flushes."""
WITNESSED_PAUSE_S = 1.0
"""The same with witnesses, so that each checkpoint can be cosigned before the next."""
PUBLISH_AGAIN_S = 2
"""After a publication that failed; the next commit may be hours away."""


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


class Role(StrEnum):
    """What a process does for the log. On SQLite one process does everything."""

    ALL = "all"
    WEB = "web"
    """Verifies and puts parcels down; another process integrates. PostgreSQL only."""


class Services:
    """The running parts. Use `open_services`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        database: Database,
        secrets: Secrets,
        keys: SignerKeys,
        role: Role = Role.ALL,
    ) -> None:
        self._role = role
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
        log = (settings.platform, settings.origin, secrets.item_secret, database.appending, clock)
        self.sequencer: Sequencer | PendingSequencer
        self._integrating: Sequencer | Worker
        if database.postgresql:
            self.sequencer = PendingSequencer(settings.platform, database.appending, database.listening)
            self._integrating = Worker(*log, database.listening, lambda: database.lease("work"))
        else:
            self.sequencer = self._integrating = Sequencer(*log)
        self.authority = self._signer(keys.authority, secrets.authority_issuer)
        self.attestation = self._signer(keys.attestation, secrets.platform_issuer)
        self._keys = keys
        self._publisher = Publisher(settings.platform, keys.log, SecondHead(settings.second_head_file))
        self.policy = load_policy(settings, self.log.verifier_key)
        self.witnesses = Witnesses(
            self.policy, settings.platform, settings.origin, keys.log.public, database, self.tree, self._forked
        )
        self.fork: LedgerError | None = None
        """Why nothing is signed; None in good order."""
        self._fork_lock = threading.Lock()
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._publish_loop, name="publisher", daemon=True)
        self._tree = Tree()
        self._tree_lock = threading.Lock()
        self._integrating.on_commit = self._wake.set

    def day_of(self, moment: datetime) -> date:
        """The day on the city's wall clock."""
        return (moment + self.zone_offset).date()

    def _signer(self, key: SigningKey, issuer: str) -> PlatformSigner:
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
        try:
            with self.reading() as session:
                self._publisher.guard(session, self.settings.origin)
        except LedgerError as error:
            # An older copy of the database: pages are served from it, nothing is added or signed.
            self._forked(error)
            return
        if self._role is not Role.WEB:
            self.witnesses.start()
            self.witnesses.at_start()
            if self.fork is not None:
                return
            self._integrating.start()
        if self.sequencer is not self._integrating:
            self.sequencer.start()
        if self._role is Role.WEB:
            return
        self._register_own_keys()
        self._thread.start()
        self._wake.set()  # what was committed before a crash may not be signed yet

    def close(self) -> None:
        self.witnesses.stop()
        self.sequencer.stop()
        self._integrating.stop()
        self._stopping = True
        self._ended.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.database.close()

    def publish_now(self) -> None:
        """Sign the committed head without waiting for the publisher's thread.

        Raises: LedgerError when the database is not what was signed before.
        """
        self.witnesses.first_contact()
        if self.fork is not None:
            raise LedgerError(str(self.fork), code=FORKED)
        try:
            with self.writing() as session:
                checkpoint = self._publisher.publish(session)
                if checkpoint is not None and len(self.witnesses):
                    wait_for_witnesses(session, self.settings.platform, checkpoint, self.clock.now())
        except LedgerError as error:
            if error.code == FORKED:
                self._forked(error)
            raise
        self.witnesses.wake()

    def _forked(self, error: LedgerError) -> None:
        """What is stored is not what was signed: from here on nothing is added and nothing signed, until a restart."""
        with self._fork_lock:
            if self.fork is None:
                self.fork = error
                logger.error("%s", error)
                self.sequencer.stop()

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
        failed = False
        while True:
            self._wake.wait(PUBLISH_AGAIN_S if failed else None)
            self._wake.clear()
            try:
                if self.fork is None:
                    self._keys.require_signer()
                    self.publish_now()
                failed = False
            except UnavailableError as error:
                # The signer is being started again: nothing else will wake us for what waits.
                failed = True
                logger.warning("not published now: %s", error)
            except Exception:
                # The log goes on without new checkpoints; the page says "not yet in a signed checkpoint".
                failed = True
                logger.exception("not published")
            if self._stopping:
                return
            self._ended.wait(WITNESSED_PAUSE_S if len(self.witnesses) else CHECKPOINT_PAUSE_S)


@contextmanager
def open_services(
    settings: Settings, clock: Clock, role: Role = Role.ALL, *, watched_signer: bool = False
) -> Iterator[Services]:
    """Everything, started; stopped at the end of the block.

    A signer that nobody has started is started for the block, unless somebody else watches it (`watched_signer`).
    Raises: AlreadyRunningError when another process owns the data folder (on PostgreSQL many may use it);
    UnavailableError when there is no signer and its public keys are not known yet; LedgerError when the signer is
    another platform's.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if not settings.postgresql:
            stack.enter_context(only_process(settings.data))
        if not watched_signer:
            stack.enter_context(platform_signer(settings))
        client = SignerClient(settings.signer_socket)
        stack.callback(client.close)
        database = Database(settings.database)
        stack.callback(database.close)
        database.migrate()
        with database.exclusive("keys") if settings.postgresql else nullcontext():
            # Two processes at their first start would each make secrets of their own.
            secrets = load_secrets(settings.keys)
            keys = signer_keys(settings, client)
        services = Services(settings, clock, database, secrets, keys, role)
        stack.callback(services.close)
        services.start()
        yield services


def load_policy(settings: Settings, log_key: str | None = None) -> Policy | None:
    """The policy file of the data folder; None when there is none. With a log key, a policy that lists logs lists it.

    Raises: SettingsError naming the line that is wrong.
    """
    try:
        policy = Policy.parse(settings.policy_file.read_bytes())
    except FileNotFoundError:
        return None
    except ParseError as error:
        raise SettingsError(f"{settings.policy_file}: {error}") from error
    if log_key is not None and policy.logs and all(str(log.key) != log_key for log in policy.logs):
        raise SettingsError(f"{settings.policy_file}: expected this log among its logs: log {log_key}")
    return policy


def spare_the_collector() -> None:
    """What lives as long as the process is not looked through again and again, and a group of parcels is no garbage.

    Called once, when a server process is ready. Python collects after 700 new objects otherwise: many times a group.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


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
        replace_file(path, secrets.token_hex(length).encode("ascii"))
    return path.read_text(encoding="ascii").strip()
