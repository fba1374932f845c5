"""Length and checksum framing: resynchronising, silence, bounds. The protocol here is the smallest there is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from scanners.checksums import xor8
from scanners.framing import NOISE_LIMIT_BYTES, Framer, Noise, Refused, Shape

STEADY = settings(deadline=None, derandomize=True)
HEADER = 0x55


def _length(head: bytes) -> int | None:
    if len(head) < 2:
        return None
    if head[1] > 20:
        raise Refused(f"claims {head[1]} bytes")
    return 3 + head[1]


def _check(frame: bytes) -> None:
    if xor8(frame):
        raise Refused("checksum is wrong")


SHAPE = Shape(header=HEADER, head_bytes=2, length=_length, check=_check)


def frame(content: bytes) -> bytes:
    body = bytes([HEADER, len(content)]) + content
    return body + bytes([xor8(body)])


def run(stream: bytes, cuts: list[int] | None = None) -> list[bytes | Noise]:
    framer = Framer(SHAPE)
    found: list[bytes | Noise] = []
    ends = sorted({c % (len(stream) + 1) for c in cuts or []} | {len(stream)})
    start = 0
    for end in ends:
        found += framer.receive(stream[start:end])
        start = end
    found += framer.silence()
    assert framer.is_clear
    return found


def data_of(found: list[bytes | Noise]) -> bytes:
    return b"".join(piece.data if isinstance(piece, Noise) else piece for piece in found)


def test_claim_in_garbage_does_not_swallow_the_frame_behind_it() -> None:
    assert run(b"\x55\x09" + frame(b"abc")) == [Noise("cut off after 8 bytes", b"\x55\x09"), frame(b"abc")]


def test_impossible_claim_is_refused_before_its_bytes_come() -> None:
    framer = Framer(SHAPE)
    assert framer.receive(b"\x55\xff" + frame(b"a")) == [Noise("claims 255 bytes", b"\x55\xff"), frame(b"a")]


def test_frame_with_a_wrong_checksum_is_noise_and_the_next_one_is_read() -> None:
    bad = frame(b"abc")[:-1] + b"\x00"
    assert run(bad + frame(b"d")) == [Noise("checksum is wrong", bad), frame(b"d")]


def test_silence_gives_back_the_frame_behind_a_cut_one() -> None:
    framer = Framer(SHAPE)
    cut = frame(b"abcdefgh")[:4]
    assert framer.receive(cut + frame(b"x")) == []
    assert framer.silence() == [Noise("cut off after 8 bytes", cut), frame(b"x")]
    assert framer.silence() == []


def test_endless_noise_is_reported_piece_by_piece() -> None:
    found = Framer(SHAPE).receive(b"\x00" * (2 * NOISE_LIMIT_BYTES + 5))
    assert found == [Noise("no frame starts here", b"\x00" * NOISE_LIMIT_BYTES)] * 2


def test_clear_forgets_the_bytes_of_an_old_link() -> None:
    framer = Framer(SHAPE)
    framer.receive(b"junk" + frame(b"abc")[:3])
    framer.clear()
    assert framer.is_clear
    assert framer.receive(frame(b"d")) == [frame(b"d")]


# Streams rich in headers and short lengths, where wrong claims nest.
streams = st.lists(
    st.one_of(st.binary(max_size=6).map(frame), st.text("\x55\x03\x00\x01a", max_size=8).map(str.encode))
)


@STEADY
@given(streams, st.lists(st.integers(0, 200), max_size=8))
def test_any_cutting_gives_the_same_pieces(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    whole = run(stream)
    assert run(stream, cuts) == whole
    assert run(stream, list(range(len(stream)))) == whole


@STEADY
@given(streams)
def test_no_byte_is_lost_or_invented(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert data_of(run(stream)) == stream
