"""The Merkle tree of RFC 6962, section 2.1, over SHA-256.

`Tree` keeps every complete node, level by level: an append costs at most one node a level, a root or a path for any
past size is read off without recomputing leaves. 64 bytes a leaf in memory. `Nodes` is what any keeper of complete
nodes can answer; `tiles.TileTree` is another one. `included` and `consistent` check what somebody else answered.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 + left + right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Nodes(ABC):
    """Complete nodes of a tree; roots and proofs for any size up to its own follow from them."""

    @abstractmethod
    def __len__(self) -> int:
        """Leaves."""

    @abstractmethod
    def node(self, level: int, index: int) -> bytes:
        """MTH of the leaves [index * 2^level, (index + 1) * 2^level), 32 bytes. Requires: all of them are there."""

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
            return self.node(level, start >> level)
        middle = start + _split(width)
        return node_hash(self._hash(start, middle), self._hash(middle, end))


class Tree(Nodes):
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

    def node(self, level: int, index: int) -> bytes:
        return self._levels[level][index]


# ---- checking what somebody else answered -------------------------------------------------------


def included(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether leaf `index` stands in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or not _hashes(leaf_hash, root, *path):
        return False
    # Levels where the node has a sibling below the last node, then those of the right edge, where only left ones stand.
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(path) != inner + border:
        return False
    found = leaf_hash
    for level, sibling in enumerate(path[:inner]):
        found = node_hash(sibling, found) if index >> level & 1 else node_hash(found, sibling)
    for sibling in path[inner:]:
        found = node_hash(sibling, found)
    return found == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of `new` leaves begins with that of `old` (RFC 9162, section 2.1.4.2).

    From the empty tree there is nothing to prove: False unless both are empty.
    """
    if not 0 <= old <= new or not _hashes(old_root, new_root, *path):
        return False
    if old == new:
        return not path and old_root == new_root and (old > 0 or old_root == EMPTY_ROOT)
    if old == 0:
        return False
    nodes = list(path)
    # The old tree's own root stands for itself where it is one complete subtree.
    if old & (old - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    was = is_ = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            was, is_ = node_hash(sibling, was), node_hash(sibling, is_)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            is_ = node_hash(is_, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and was == old_root and is_ == new_root


def _hashes(*values: bytes) -> bool:
    return all(len(value) == 32 for value in values)


def _split(width: int) -> int:
    """The largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)
