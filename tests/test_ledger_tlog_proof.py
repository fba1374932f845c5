"""tlog-proof files: the specification's form, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError
from trace.ledger.checkpoint import open_checkpoint, sign_checkpoint
from trace.ledger.encoding import b64
from trace.ledger.keys import PrivateKey
from trace.ledger.merkle import Tree, included
from trace.ledger.tlog_proof import TlogProof

KEY = PrivateKey(bytes(range(32)))
LEAVES = [bytes([n]) * 32 for n in range(9)]
TREE = Tree(LEAVES)
NOTE = sign_checkpoint("trace.example", 9, TREE.root(), KEY).note
NODE = b64(bytes(32))


def test_a_proof_is_written_line_by_line() -> None:
    proof = TlogProof(3, tuple(TREE.inclusion_path(3, 9)), NOTE, b"out of band")
    first, extra, index, *rest = proof.to_text().split("\n")
    assert (first, extra, index) == ("c2sp.org/tlog-proof@v1", f"extra {b64(b'out of band')}", "index 3")
    assert rest == [*(b64(node) for node in proof.path), "", *NOTE.split("\n")]


@given(st.integers(0, 8), st.none() | st.binary(max_size=40))
def test_a_proof_that_is_read_holds(index: int, extra: bytes | None) -> None:
    written = TlogProof(index, tuple(TREE.inclusion_path(index, 9)), NOTE, extra)
    read = TlogProof.parse(written.to_text())
    assert read == written
    checkpoint = open_checkpoint(read.checkpoint, "trace.example", KEY.public)
    assert included(LEAVES[index], read.index, checkpoint.size, read.path, checkpoint.root)


def test_a_tree_of_one_leaf_has_no_proof_lines() -> None:
    text = TlogProof(0, (), NOTE).to_text()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\ntrace.example\n")
    assert TlogProof.parse(text) == TlogProof(0, (), NOTE)


FORM = "tlog-proof: expected the line c2sp.org/tlog-proof@v1, a proof, a blank line and a checkpoint"
INDEX = "tlog-proof: expected 'index' and a decimal number in front of the proof"


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ("c2sp.org/tlog-proof@v2\nindex 0", ParseError, FORM),
        ("index 0", ParseError, FORM),
        ("c2sp.org/tlog-proof@v1", ParseError, INDEX),
        ("c2sp.org/tlog-proof@v1\nextra AAAA", ParseError, INDEX),
        ("c2sp.org/tlog-proof@v1\nindex 00", ParseError, INDEX),
        ("c2sp.org/tlog-proof@v1\nindex -1", ParseError, INDEX),
        ("c2sp.org/tlog-proof@v1\nindex 1 ", ParseError, INDEX),
        ("c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA", ParseError, "tlog-proof: node 'extra AAAA': expected "),
        ("c2sp.org/tlog-proof@v1\nextra A\nindex 1", ParseError, "tlog-proof: extra 'A': expected base64"),
        ("c2sp.org/tlog-proof@v1\nindex 1\nAAAA", ParseError, "tlog-proof: node 'AAAA': expected 32 bytes, got 3"),
        (
            "c2sp.org/tlog-proof@v1\nindex 1" + f"\n{NODE}" * 64,
            LimitError,
            "tlog-proof: 64 lines of inclusion proof, at most 63 are read",
        ),
    ],
)
def test_what_is_no_proof_is_refused_with_a_reason(head: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        TlogProof.parse(f"{head}\n\n{NOTE}")
    assert str(refused.value).startswith(message)


def test_a_proof_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(ParseError) as refused:
        TlogProof.parse("c2sp.org/tlog-proof@v1\nindex 0\n")
    assert str(refused.value) == FORM
