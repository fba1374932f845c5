"""Keys of devices, parties and the log (docs/formats.md, section 1).

The registry entry of a key id pins the algorithm; nothing inside an envelope may choose one. Ed25519 is checked by
libsodium, which refuses small-order and non-canonical points; OpenSSL does not, and a small-order key makes one
signature valid for many messages.
"""

import hashlib
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as _Ed25519
from nacl.signing import VerifyKey

from trace.errors import ParseError, SignatureError
from trace.files import fsync_folder

ROLES = ("authority", "enterprise", "device", "attestation")
"""What a registered key may do (docs/formats.md, section 2.2)."""


class Algorithm(IntEnum):
    """The algorithm byte. Numbers that are not listed are reserved."""

    ED25519 = 0x01
    ECDSA_P256_SHA256 = 0x02


@dataclass(frozen=True)
class PublicKey:
    """A public key that may be registered: right length, on its curve, not of small order."""

    algorithm: Algorithm
    raw: bytes

    @classmethod
    def parse(cls, algorithm: int, raw: bytes) -> "PublicKey":
        """Raises: ParseError when the algorithm is unknown or the bytes are no usable key of it."""
        try:
            known = Algorithm(algorithm)
        except ValueError as error:
            names = ", ".join(f"{a.value} ({a.name})" for a in Algorithm)
            raise ParseError(f"algorithm byte {algorithm}: expected one of {names}") from error
        if known is Algorithm.ED25519:
            if len(raw) != 32:
                raise ParseError(f"Ed25519 public key: expected 32 bytes, got {len(raw)}")
            # Canonical, on the curve, on the main subgroup, not of small order.
            if not crypto_core_ed25519_is_valid_point(raw):
                raise ParseError(f"Ed25519 public key {raw.hex()}: not a canonical point of the prime-order group")
        else:
            _p256(raw)
        return cls(known, raw)

    @property
    def key_id(self) -> str:
        """SHA-256 of algorithm byte and raw key, 64 hex digits."""
        return hashlib.sha256(bytes([self.algorithm]) + self.raw).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises: SignatureError unless this key signed exactly these bytes."""
        if len(signature) != 64:
            raise SignatureError(f"signature of key {self.key_id[:16]}…: expected 64 bytes, got {len(signature)}")
        try:
            if self.algorithm is Algorithm.ED25519:
                VerifyKey(self.raw).verify(message, signature)
            else:
                r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
                _p256(self.raw).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except (BadSignatureError, InvalidSignature) as error:
            raise SignatureError(f"signature does not belong to these bytes and key {self.key_id[:16]}…") from error


class SigningKey(Protocol):
    """What can sign: a private key that is here, or one that another process holds (`signer/client.py`)."""

    @property
    def public(self) -> PublicKey: ...

    @property
    def key_id(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Raises: UnavailableError when who holds the key does not answer; LedgerError when he refuses."""


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """An Ed25519 private key: what devices, the attestation and the log sign with."""

    seed: bytes
    """32 bytes. Never logged: `repr` shows the key id."""

    @classmethod
    def generate(cls) -> "PrivateKey":
        return cls(os.urandom(32))

    @property
    def public(self) -> PublicKey:
        return PublicKey(Algorithm.ED25519, bytes(_Ed25519(self.seed).verify_key))

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032."""
        return _Ed25519(self.seed).sign(message).signature

    def save(self, path: Path) -> None:
        """Write it for the owner's eyes alone, durably; never over an existing key.

        The name appears when the content is on the disk: a process that is killed here leaves no half key behind.

        Raises: FileExistsError when there is a key of this name.
        """
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, self.to_line().encode("ascii"))
            os.fsync(fd)
        finally:
            os.close(fd)
        try:
            # A link, unlike a rename, is refused where the name is taken.
            path.hardlink_to(fresh)
        finally:
            fresh.unlink()
        fsync_folder(path.parent)

    @classmethod
    def load(cls, path: Path) -> "PrivateKey":
        """Raises: ParseError when the file is no key of ours or can be read by others."""
        if path.stat().st_mode & 0o077:
            raise ParseError(f"key file {path.name}: others may read it; run chmod 600 on it")
        return cls.from_line(path.read_text(encoding="ascii", errors="replace"), path.name)

    @classmethod
    def from_line(cls, line: str, name: str) -> "PrivateKey":
        """The content of a key file. Raises: ParseError naming the file."""
        words = line.split()
        if len(words) != 2 or words[0] != "suyuan-ed25519-seed" or len(words[1]) != 64:
            raise ParseError(f"key file {name}: expected one line 'suyuan-ed25519-seed <64 hex digits>'")
        try:
            return cls(bytes.fromhex(words[1]))
        except ValueError as error:
            raise ParseError(f"key file {name}: the seed is not hex") from error

    def to_line(self) -> str:
        """The content of a key file, in the clear."""
        return f"suyuan-ed25519-seed {self.seed.hex()}\n"

    def __repr__(self) -> str:
        return f"PrivateKey({self.key_id[:16]}…)"


def _p256(raw: bytes) -> ec.EllipticCurvePublicKey:
    if len(raw) != 65 or raw[0] != 4:
        raise ParseError(f"P-256 public key: expected 65 bytes beginning 04, got {len(raw)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise ParseError(f"P-256 public key {raw.hex()[:24]}…: not a point of the curve") from error
