"""Tiles: the tree and its records as files that never change (c2sp.org/tlog-tiles).

A hash tile of level L and index N is up to 256 consecutive nodes, each over 256^L leaves; an entry bundle is the
records under a tile of level 0. At the right edge a tile is partial: as wide as the tree makes it, never hashed
further up.

    tile/<L>/<N>[.p/<W>]          32 bytes a node
    tile/entries/<N>[.p/<W>]      uint16 length, record, uint16 length, record ...

N stands in three digits an element, all but the last with an x: 1234067 is x001/x234/067. No SQL, no clock, no network.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from trace.errors import ParseError
from trace.ledger.merkle import Nodes, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
HASH_BYTES = 32
MAX_LEVEL = 63

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class Tile:
    """Names a hash tile or an entry bundle."""

    level: int
    index: int
    width: int = WIDTH
    """Nodes or records in it; fewer than 256 make it partial."""
    entries: bool = False
    """An entry bundle; its level is 0."""

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """From `tile/...`, in its one spelling.

        Raises: ParseError.
        """
        match = _PATH.fullmatch(path)
        if match is None or len(path) > 100:
            raise ParseError(f"tile {path[:100]!r}: expected tile/<level>/<index>[.p/<width>], as tile/0/x001/234.p/5")
        entries = match["level"] == "entries"
        tile = cls(
            level=0 if entries else int(match["level"]),
            index=int(match["index"].replace("x", "").replace("/", "")),
            width=WIDTH if match["width"] is None else int(match["width"]),
            entries=entries,
        )
        # Leading zeros only fill up the first element, and the width of a full tile is not written.
        if tile.level > MAX_LEVEL or tile.width > WIDTH or tile.path != path:
            raise ParseError(f"tile {path!r}: expected level 0 to 63, width 1 to 255 and no needless zeros")
        return tile

    @property
    def path(self) -> str:
        elements = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            elements.append(f"x{rest % 1000:03d}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.entries else self.level}/{'/'.join(reversed(elements))}{partial}"

    @property
    def start(self) -> int:
        """Number of its first node in its level; of a bundle the index of its first record."""
        return self.index * WIDTH

    def within(self, size: int) -> bool:
        """Whether a tree of `size` leaves has all of it."""
        return self.start + self.width <= size >> HEIGHT * self.level


def tiles_of(size: int) -> Iterator[Tile]:
    """The hash tiles of a tree, level by level; the last of a level may be partial."""
    level = 0
    while nodes := size >> HEIGHT * level:
        full, rest = divmod(nodes, WIDTH)
        yield from (Tile(level, index) for index in range(full))
        if rest:
            yield Tile(level, full, rest)
        level += 1


def bundles_of(size: int) -> Iterator[Tile]:
    """The entry bundles of a tree."""
    for tile in tiles_of(size):
        if tile.level == 0:
            yield replace(tile, entries=True)


def hash_tile(tree: Nodes, tile: Tile) -> bytes:
    """The bytes of a hash tile. Requires: it is within the tree."""
    nodes = range(tile.start, tile.start + tile.width)
    return b"".join(tree.node(HEIGHT * tile.level, node) for node in nodes)


def entry_bundle(records: Sequence[bytes]) -> bytes:
    """The bytes of an entry bundle. Requires: records of at most 65,535 bytes."""
    return b"".join(len(record).to_bytes(2) + record for record in records)


def parse_entry_bundle(data: bytes, width: int = WIDTH) -> list[bytes]:
    """The records of a bundle, `width` of them.

    Raises: ParseError when it is cut or has another number of records.
    """
    records: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2])
        record = data[at + 2 : at + 2 + length]
        if at + 2 + length > len(data):
            raise ParseError(f"entry bundle: record {len(records)} is cut: {length} bytes, {len(record)} are there")
        records.append(record)
        at += 2 + length
    if len(records) != width:
        raise ParseError(f"entry bundle: {len(records)} records, expected {width}")
    return records


class TileTree(Nodes):
    """A tree that is read from its tiles, each fetched once, when a proof or a root needs it."""

    def __init__(self, size: int, fetch: Callable[[Tile], bytes]) -> None:
        self._size = size
        self._fetch = fetch
        self._tiles: dict[Tile, bytes] = {}

    def __len__(self) -> int:
        return self._size

    def node(self, level: int, index: int) -> bytes:
        """Raises: ParseError when a tile has another length than its name says."""
        # The node covers `span` neighbouring nodes of the tile level below it.
        tile_level, above = divmod(level, HEIGHT)
        span = 1 << above
        tile_index, offset = divmod(index * span, WIDTH)
        width = min(WIDTH, (self._size >> HEIGHT * tile_level) - tile_index * WIDTH)
        data = self._read(Tile(tile_level, tile_index, width))
        nodes = [data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(offset, offset + span)]
        while len(nodes) > 1:
            nodes = [node_hash(*nodes[at : at + 2]) for at in range(0, len(nodes), 2)]
        return nodes[0]

    def _read(self, tile: Tile) -> bytes:
        if tile not in self._tiles:
            data = self._fetch(tile)
            if len(data) != tile.width * HASH_BYTES:
                raise ParseError(f"{tile.path}: {len(data)} bytes, expected {tile.width * HASH_BYTES}")
            self._tiles[tile] = data
        return self._tiles[tile]
