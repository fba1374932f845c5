"""`POST /decode`: what one scan says, for handhelds and programs that have no parser of their own."""

import json

from flask import Blueprint, Response, request

from app.access.rules import anybody
from app.current import services
from trace.errors import ParseError
from trace.identifiers.decoded import Decoded, decode_epc, decode_text
from trace.identifiers.identify import text_of
from trace.identifiers.prefix_lengths import LONGEST, SHORTEST, PrefixLengths

api = Blueprint("decode", __name__)

LONGEST_BYTES = 16_384
"""More than the largest symbol holds."""

_LENGTHS = frozenset(map(str, range(SHORTEST, LONGEST + 1)))


@api.post("/decode")
@anybody
def post_scan() -> Response:
    """The body is the scan, byte for byte (`text/plain`); the answer is the object that `decode` prints.

    `?gs=CHAR` is the character that the reader sends in place of 0x1D; `?hex=1` says that the body is EPC memory;
    `?company_prefix=7` is the length of its company prefix, for `epc`.
    """
    request.max_content_length = LONGEST_BYTES
    gs = request.args.get("gs")
    if gs is not None and len(gs) != 1:
        raise ParseError(f"gs {gs[:20]!r}: expected one character")
    length = request.args.get("company_prefix")
    if length is not None and length not in _LENGTHS:
        raise ParseError(f"company_prefix {length[:20]!r}: expected {SHORTEST} to {LONGEST}")
    lengths = None if length is None else PrefixLengths.always(int(length))
    data = request.get_data()
    if request.args.get("hex") == "1":
        return _answer(decode_epc(data.decode("ascii", "replace").strip()))
    here = services()
    return _answer(decode_text(text_of(data), gs=gs, today=here.day_of(here.clock.now()), lengths=lengths))


def _answer(told: Decoded) -> Response:
    # Flask's own would sort the names, and their order is documented.
    return Response(json.dumps(told.to_dict(), ensure_ascii=False) + "\n", mimetype="application/json")
