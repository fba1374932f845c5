"""Writes tests/vectors/proofs.jsonl.gz: the good and bad proofs that any verifier is held to (docs/conformance.md).

They are the cases of tests/test_verify.py, forged from fixed seeds, so that each run writes the same bytes:

    PYTHONPATH=tests .venv/bin/python -m scripts.make_proof_vectors
"""

import gzip
import json
from pathlib import Path

from tests.test_verify import CASES

FILE = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "proofs.jsonl.gz"


def lines() -> list[str]:
    """One JSON object a case, in the order of the tests."""
    return [
        json.dumps(
            {
                "name": name,
                "outcome": case.outcome,
                "failing": case.failing.split(),
                "log_key": case.log_key,
                "uri": case.uri,
                "package": case.package,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for name, case in CASES.items()
    ]


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    # No time in its header: the same cases give the same file.
    FILE.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines()).encode("utf-8"), mtime=0))
