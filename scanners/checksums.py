"""The check bytes of reader protocols. One function a kind; who covers which bytes stands with the protocol."""

import binascii


def sum8(data: bytes) -> int:
    """Sum modulo 256 (M100 and its relatives)."""
    return sum(data) & 0xFF


def twos8(data: bytes) -> int:
    """Two's complement of the sum modulo 256, so that data and check byte add up to 0 (R2000 "A0")."""
    return -sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """Exclusive or of all bytes (EM4100, Chainway)."""
    check = 0
    for byte in data:
        check ^= byte
    return check


def gen2_tag_crc(data: bytes) -> int:
    """The CRC-16 of a Gen2 tag over what it sends from the PC word on.

    Polynomial 0x1021, preset 0xFFFF, result inverted (EPC Gen2 air interface 2.1, annex F).
    """
    return binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF
