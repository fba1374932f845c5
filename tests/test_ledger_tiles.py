"""Tiles: names and bytes of c2sp.org/tlog-tiles, against the tree, a naive tree and Sunlight's published tiles."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError
from trace.ledger.checkpoint import Head
from trace.ledger.merkle import EMPTY_ROOT, Tree, included, node_hash
from trace.ledger.note import Note
from trace.ledger.tiles import (
    Tile,
    TileTree,
    bundles_of,
    entry_bundle,
    hash_tile,
    parse_entry_bundle,
    tiles_of,
)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/999.p/255", Tile(0, 999, 255)),
        ("tile/1/x001/000", Tile(1, 1000)),
        ("tile/0/x001/x234/067", Tile(0, 1_234_067)),
        ("tile/63/x001/x234/067.p/1", Tile(63, 1_234_067, 1)),
        ("tile/entries/x001/x234/067", Tile(0, 1_234_067, entries=True)),
        ("tile/entries/000.p/44", Tile(0, 0, 44, entries=True)),
    ],
)
def test_a_tile_has_one_name(path: str, tile: Tile) -> None:
    assert Tile.parse(path) == tile
    assert tile.path == path


OTHER_SPELLINGS = """
tile/0/0 tile/0/00 tile/0/0000 tile/0/x000/001 tile/0/x000/x001/000 tile/0/x1/000 tile/0/001/000 tile/0/x001 tile/00/000
tile/64/000 tile/100/000 tile/-1/000 tile/0/-01 tile/0/000.p/0 tile/0/000.p/01 tile/0/000.p/256 tile/0/000.p/300
tile/0/000.p/ tile/0/000.p tile/0/000/ /tile/0/000 tile/0/\u0660\u0660\u0660 tile/data/000 tile/entries/0
tile/0/000.p/1/ tile/0/000%2Ep/1 tile//000
""".split()


@pytest.mark.parametrize(
    "path", [*OTHER_SPELLINGS, "tile/0/000 ", "tile/0/000\n", "", "tile/0/" + "x999/" * 40 + "000"]
)
def test_any_other_spelling_is_no_tile(path: str) -> None:
    with pytest.raises(ParseError) as refused:
        Tile.parse(path)
    assert str(refused.value).startswith(f"tile {path[:100]!r}: expected ")


def test_the_example_of_the_specification() -> None:
    """c2sp.org/tlog-tiles, "Partial Tiles": a tree of 70,000 entries, and one of 256."""
    tiles = list(tiles_of(70_000))
    assert [tile.index for tile in tiles if tile.level == 0 and tile.width == 256] == list(range(273))
    assert tiles[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert list(bundles_of(300)) == [Tile(0, 0, entries=True), Tile(0, 1, 44, entries=True)]


LEAVES = [hashlib.sha256(n.to_bytes(4)).digest() for n in range(70_000)]
TREE = Tree(LEAVES)


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(mth(leaves[:half]), mth(leaves[half:]))


def test_each_node_of_a_tile_is_the_hash_of_its_leaves() -> None:
    """The formula of the specification, word by word."""
    for tile in (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)):
        data = hash_tile(TREE, tile)
        for i in range(tile.width):
            width = 256**tile.level
            start = (tile.index * 256 + i) * width
            assert data[i * 32 : i * 32 + 32] == mth(LEAVES[start : start + width])


def test_a_tile_is_within_a_tree_that_has_all_its_nodes() -> None:
    assert Tile(1, 1, 17).within(70_000)
    assert not Tile(1, 1, 18).within(70_000)
    assert not Tile(1, 1, 17).within(69_887)  # one leaf short of the last node
    assert Tile(0, 273, 112).within(70_000)
    assert not Tile(0, 273).within(70_000)
    assert not Tile(63, 0, 1).within(70_000)


@given(st.integers(1, 70_000), st.data())
def test_a_tree_read_from_its_tiles_gives_the_same_roots_and_proofs(size: int, data: st.DataObject) -> None:
    allowed = set(tiles_of(size))
    fetched: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        # Only tiles that a log of this size has, and each once.
        assert tile in allowed and tile not in fetched
        fetched.append(tile)
        return hash_tile(TREE, tile)

    read = TileTree(size, fetch)
    assert read.root() == TREE.root(size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = read.inclusion_path(index, size)
    assert path == TREE.inclusion_path(index, size)
    assert included(LEAVES[index], index, size, path, read.root())
    assert read.consistency_path(old, size) == TREE.consistency_path(old, size)
    assert read.root(old) == TREE.root(old)


@given(st.integers(0, 600))
def test_a_tree_read_from_its_tiles_is_the_naive_tree(size: int) -> None:
    read = TileTree(size, lambda tile: hash_tile(TREE, tile))
    assert len(read) == size
    assert read.root() == mth(LEAVES[:size])


def test_a_tile_of_another_length_is_not_believed() -> None:
    with pytest.raises(ParseError) as refused:
        TileTree(300, lambda tile: hash_tile(TREE, tile)[:-1]).root()
    assert str(refused.value) == "tile/1/000.p/1: 31 bytes, expected 32"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_an_entry_bundle_comes_back(records: list[bytes]) -> None:
    data = entry_bundle(records)
    assert parse_entry_bundle(data, len(records)) == records
    assert len(data) == sum(2 + len(record) for record in records)


def test_an_entry_bundle_is_big_endian_lengths_and_records() -> None:
    assert entry_bundle([b"ab", b"", b"c" * 258]) == b"\x00\x02ab\x00\x00\x01\x02" + b"c" * 258


@pytest.mark.parametrize(
    ("data", "width", "message"),
    [
        (b"\x00\x02a", 1, "entry bundle: record 0 is cut: 2 bytes, 1 are there"),
        (b"\x00\x01a\x00", 2, "entry bundle: record 1 is cut: 0 bytes, 0 are there"),
        (b"\x00\x01a", 2, "entry bundle: 1 records, expected 2"),
        (b"\x00\x01a\x00\x01b", 1, "entry bundle: 2 records, expected 1"),
    ],
)
def test_a_cut_bundle_is_refused(data: bytes, width: int, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_entry_bundle(data, width)
    assert str(refused.value) == message


# ---- published tiles ----------------------------------------------------------------------------


def test_the_tiles_of_a_published_mirror_give_the_root_of_its_checkpoint(shared_data: Path) -> None:
    """Sunlight, cmd/skylight/testdata/witness/mirror: 300 leaves in three tiles. Its entry bundles are no records."""
    (folder,) = (shared_data / "ledger/tiles/sunlight/cmd/skylight/testdata/witness/mirror").glob("*/")
    head = Head.parse(Note.from_bytes((folder / "checkpoint").read_bytes()).text)
    tree = TileTree(head.size, lambda tile: (folder / tile.path).read_bytes())
    assert (head.size, tree.root()) == (300, head.root)
    assert {file.relative_to(folder).as_posix() for file in (folder / "tile").glob("[01]/**/*") if file.is_file()} == {
        tile.path for tile in tiles_of(head.size)
    }


def test_published_tiles_are_the_leaf_hashes_of_their_entries(shared_data: Path) -> None:
    """Sunlight's navigli2025h2, a real log. Its `data` tiles are those of c2sp.org/static-ct-api, so the test reads
    them: a leaf is version 0, leaf type 0 and the timestamped entry (RFC 6962, section 3.4)."""
    folder = shared_data / "ledger/tiles/sunlight/testdata/navigli2025h2/tile"
    for index in range(4):
        tile = Tile(0, index)
        hashes = (folder / "0" / tile.path.rpartition("/")[2]).read_bytes()
        records = static_ct_leaves((folder / "data" / tile.path.rpartition("/")[2]).read_bytes())
        assert len(records) == 256
        leaves = [hashlib.sha256(b"\x00" + record).digest() for record in records]
        assert b"".join(leaves) == hashes == hash_tile(Tree(leaves), Tile(0, 0))
        assert parse_entry_bundle(entry_bundle(records)) == records
    partial = (folder / "0/003.p/10").read_bytes()
    assert partial == hashes[: Tile(0, 3, 10).width * 32]


def static_ct_leaves(data: bytes) -> list[bytes]:
    """The MerkleTreeLeaf of each entry of a static-ct data tile."""
    leaves, at = [], 0

    def skip(length_bytes: int) -> None:
        nonlocal at
        at += length_bytes + int.from_bytes(data[at : at + length_bytes])

    while at < len(data):
        start = at
        at += 8
        precert = data[at : at + 2] == b"\x00\x01"
        at += 2 + (32 if precert else 0)
        skip(3)  # certificate or TBS certificate
        skip(2)  # extensions
        leaves.append(b"\x00\x00" + data[start:at])
        if precert:
            skip(3)
        skip(2)  # fingerprints of the chain
    return leaves
