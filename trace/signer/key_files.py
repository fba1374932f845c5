"""The platform's private keys as files of mode 0600, in the clear or sealed with a passphrase (docs/formats.md, 1.2).

    suyuan-ed25519-seed <64 hex digits>
    suyuan-ed25519-sealed scrypt <log2 N> <r> <p> <b64 salt> <key id> <b64 nonce> <b64 ciphertext>

Sealed: AES-256-GCM of the 32 bytes of the seed under scrypt(passphrase, salt, N, r, p) (RFC 7914); the role of the key
and everything in front of the nonce are authenticated with it, so that no file can stand in for another.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from trace.errors import NotFoundError, ParseError, ValidationError
from trace.files import replace_file
from trace.ledger.encoding import b64, from_b64
from trace.ledger.keys import PrivateKey
from trace.signer import signed_head
from trace.signer.head import NOTHING
from trace.signer.wire import ROLES, Identity

CLEAR, SEALED = "suyuan-ed25519-seed", "suyuan-ed25519-sealed"
LOG2_N, R, P = 17, 8, 1
"""128 MiB and half a second a guess: OWASP's first choice for scrypt."""
MAX_LOG2_N = 20
"""1 GiB: a damaged file shall not take the machine down."""
SALT_BYTES, NONCE_BYTES = 16, 12
MIN_PASSPHRASE = 12
"""Characters of a new passphrase."""


@dataclass
class Passphrase:
    """A passphrase that is asked for when the first sealed file is met, and the keys derived from it."""

    ask: Callable[[], bytes]
    _told: bytes | None = None
    _derived: dict[tuple[bytes, int, int, int], bytes] = field(default_factory=dict)

    def told(self) -> bytes:
        if self._told is None:
            self._told = self.ask()
        return self._told

    def key(self, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
        """32 bytes. Files that were sealed together share their salt, so this is slow once."""
        found = self._derived.get((salt, log2_n, r, p))
        if found is None:
            found = Scrypt(salt=salt, length=32, n=1 << log2_n, r=r, p=p).derive(self.told())
            self._derived[salt, log2_n, r, p] = found
        return found


@dataclass(frozen=True, repr=False)
class Ring:
    """The three keys of a platform."""

    authority: PrivateKey
    attestation: PrivateKey
    log: PrivateKey

    def identity(self, origin: str) -> Identity:
        return Identity(origin, self.authority.public, self.attestation.public, self.log.public)

    def by_key_id(self) -> dict[str, tuple[str, PrivateKey]]:
        """Role and key by key id."""
        return {key.key_id: (role, key) for role, key in zip(ROLES, self._all, strict=True)}

    @property
    def _all(self) -> tuple[PrivateKey, ...]:
        return (self.authority, self.attestation, self.log)


def open_ring(folder: Path, origin: str, passphrase: Passphrase | None) -> Ring:
    """The keys of this folder; made at the first start, sealed when there is a passphrase.

    Raises: NotFoundError when a key is missing that must be there; ParseError when a file is not what it should be,
    others may read it, or the passphrase does not open it.
    """
    missing = [role for role in ROLES if not _path(folder, role).exists()]
    if missing:
        _make(folder, origin, missing, passphrase)
    return Ring(*(_load(folder, role, passphrase) for role in ROLES))


def is_sealed(folder: Path, role: str) -> bool:
    """Whether this key is sealed with a passphrase."""
    return _path(folder, role).read_text(encoding="ascii", errors="replace").startswith(f"{SEALED} ")


def protect(folder: Path, old: Passphrase, new: Passphrase | None) -> None:
    """Write all keys anew, sealed with `new`, in the clear without it. A file is replaced whole or not at all.

    Raises: as `open_ring`; ValidationError when the new passphrase is too short.
    """
    keys = [_load(folder, role, old) for role in ROLES]
    salt = os.urandom(SALT_BYTES)
    for role, key in zip(ROLES, keys, strict=True):
        _write(folder, role, key.to_line() if new is None else _seal(role, key, new, salt))


def _make(folder: Path, origin: str, missing: list[str], passphrase: Passphrase | None) -> None:
    """The head first: as long as nothing was signed, an interrupted start may be taken up again."""
    head = folder / signed_head.NAME
    if not head.exists():
        if len(missing) < len(ROLES):
            raise NotFoundError(f"{head}: missing beside keys; restore the folder from its backup")
        signed_head.write(folder, origin, NOTHING)
    elif signed_head.read(head, origin)[0] != NOTHING:
        raise NotFoundError(
            f"{_path(folder, missing[0])}: missing, and this log has signed; restore it from its backup"
        )
    salt = os.urandom(SALT_BYTES)
    for role in missing:
        key = PrivateKey.generate()
        _write(folder, role, key.to_line() if passphrase is None else _seal(role, key, passphrase, salt))


def _seal(role: str, key: PrivateKey, passphrase: Passphrase, salt: bytes) -> str:
    if len(passphrase.told().decode("utf-8", "replace")) < MIN_PASSPHRASE:
        raise ValidationError(f"passphrase: expected at least {MIN_PASSPHRASE} characters")
    front = f"{SEALED} scrypt {LOG2_N} {R} {P} {b64(salt)} {key.key_id}"
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(passphrase.key(salt, LOG2_N, R, P)).encrypt(nonce, key.seed, f"{role} {front}".encode("ascii"))
    return f"{front} {b64(nonce)} {b64(sealed)}\n"


def _load(folder: Path, role: str, passphrase: Passphrase | None) -> PrivateKey:
    path = _path(folder, role)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, encoding="ascii", errors="replace") as file:
        state = os.fstat(fd)
        if state.st_mode & 0o077:
            raise ParseError(f"key file {path}: others may read it; run chmod 600 on it")
        if state.st_uid != os.geteuid():
            raise ParseError(f"key file {path}: belongs to user {state.st_uid}, the signer runs as {os.geteuid()}")
        line = file.read(1000)
    if not line.startswith(f"{SEALED} "):
        return PrivateKey.from_line(line, path.name)
    if passphrase is None:
        raise ParseError(f"key file {path.name}: sealed; a passphrase is needed")
    return _open(line, role, path.name, passphrase)


def _open(line: str, role: str, name: str, passphrase: Passphrase) -> PrivateKey:
    words = line.removesuffix("\n").split(" ")
    numbers = words[2:5]
    if len(words) != 9 or words[1] != "scrypt" or not all(n.isascii() and n.isdigit() and len(n) < 3 for n in numbers):
        raise ParseError(f"key file {name}: expected {SEALED} scrypt, three numbers, salt, key id, nonce, ciphertext")
    log2_n, r, p = (int(n) for n in numbers)
    if not (1 <= log2_n <= MAX_LOG2_N and 1 <= r <= 16 and 1 <= p <= 4):
        raise ParseError(f"key file {name}: scrypt {log2_n} {r} {p}: expected at most {MAX_LOG2_N} 16 4")
    salt, nonce, sealed = (
        from_b64(words[at], f"key file {name}: {what}", length)
        for at, what, length in ((5, "salt", SALT_BYTES), (7, "nonce", NONCE_BYTES), (8, "ciphertext", 48))
    )
    said = f"{role} {' '.join(words[:7])}".encode()
    try:
        key = PrivateKey(AESGCM(passphrase.key(salt, log2_n, r, p)).decrypt(nonce, sealed, said))
    except InvalidTag as error:
        raise ParseError(f"key file {name}: this passphrase does not open it, or it was changed") from error
    if key.key_id != words[6]:
        raise ParseError(f"key file {name}: holds key {key.key_id[:16]}…, says {words[6][:16]}…")
    return key


def _write(folder: Path, role: str, line: str) -> None:
    replace_file(_path(folder, role), line.encode("ascii"))


def _path(folder: Path, role: str) -> Path:
    return folder / f"{role}.key"
