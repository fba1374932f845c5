"""The Merkle tree of RFC 6962, section 2.1, over SHA-256.

`Tree` keeps every complete node, level by level: an append costs at most one node a level, a root or a path for any
past size is read off without recomputing leaves. 64 bytes a leaf in memory; tiles on disk will replace it.
"""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 + left + right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree of leaf hashes."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        # _levels[k][i] is the root of the complete subtree over leaves [i * 2^k, (i + 1) * 2^k).
        self._levels: list[list[bytes]] = [[]]
        self.extend(leaf_hashes)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf_hash: bytes) -> None:
        level = 0
        self._levels[0].append(leaf_hash)
        while len(self._levels[level]) % 2 == 0:
            left, right = self._levels[level][-2:]
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node_hash(left, right))

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append many, level by level: half the time of one by one."""
        sha256 = hashlib.sha256
        nodes = self._levels[0]
        nodes.extend(leaf_hashes)
        for level in range(1, len(nodes).bit_length()):
            if level == len(self._levels):
                self._levels.append([])
            parents = self._levels[level]
            first, end = 2 * len(parents), len(nodes) & ~1
            parents += [sha256(b"\x01" + nodes[n] + nodes[n + 1]).digest() for n in range(first, end, 2)]
            nodes = parents

    def leaf_hash(self, index: int) -> bytes:
        return self._levels[0][index]

    def truncate(self, size: int) -> None:
        """Forget leaves from `size` on: a transaction that was rolled back never happened."""
        for level, nodes in enumerate(self._levels):
            del nodes[size >> level :]

    def root(self, size: int | None = None) -> bytes:
        """MTH of the first `size` leaves, 32 bytes. Requires: size <= len(self)."""
        size = len(self) if size is None else size
        return EMPTY_ROOT if size == 0 else self._hash(0, size)

    def inclusion_path(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[size]), leaf end first. Requires: 0 <= index < size <= len(self)."""
        if not 0 <= index < size <= len(self):
            raise ValueError(f"leaf {index} in a tree of {size}: this tree has {len(self)} leaves")
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start = middle
        return path[::-1]

    def consistency_path(self, old: int, new: int) -> list[bytes]:
        """PROOF(old, D[new]). Requires: 0 < old <= new <= len(self)."""
        if not 0 < old <= new <= len(self):
            raise ValueError(f"consistency of {old} and {new}: this tree has {len(self)} leaves")
        path: list[bytes] = []
        start, end, complete = 0, new, True
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(start, middle))
                start, complete = middle, False
        if not complete:
            path.append(self._hash(start, end))
        return path[::-1]

    def _hash(self, start: int, end: int) -> bytes:
        """MTH of leaves [start, end); start is a multiple of the subtree's width, as in every call of RFC 6962."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._levels[level][start >> level]
        middle = start + _split(width)
        return node_hash(self._hash(start, middle), self._hash(middle, end))


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)
