"""Which leaves belong to the story of a thing."""

from hypothesis import given
from hypothesis import strategies as st

from trace.graph import Containment, Inside, Span, Step, Via, steps

ME, CASE, LOT, MILK = 1, 2, 3, 4


def test_a_container_counts_from_pack_to_unpack() -> None:
    spans = [Span(ME, Via.SELF), Span(CASE, Via.CONTAINER, 5, 8)]
    hops = [(ME, 2), (CASE, 4), (CASE, 5), (ME, 5), (CASE, 7), (CASE, 8), (CASE, 9), (ME, 9)]
    assert steps(spans, hops) == [
        Step(2, ME, Via.SELF),
        Step(5, ME, Via.SELF),
        Step(7, CASE, Via.CONTAINER),
        Step(8, CASE, Via.CONTAINER),
        Step(9, ME, Via.SELF),
    ]


def test_a_leaf_counts_once_under_the_closest_relation() -> None:
    spans = [Span(MILK, Via.INPUT), Span(LOT, Via.LOT), Span(CASE, Via.CONTAINER), Span(ME, Via.SELF)]
    for named, via in (([ME, CASE, LOT, MILK], Via.SELF), ([CASE, LOT, MILK], Via.CONTAINER), ([MILK, LOT], Via.LOT)):
        (step,) = steps(spans, [(item, 1) for item in named])
        assert step.via is via


def test_a_thing_may_be_in_a_container_twice() -> None:
    spans = [Span(CASE, Via.CONTAINER, 1, 2), Span(CASE, Via.CONTAINER, 5, None)]
    assert [step.leaf_index for step in steps(spans, [(CASE, n) for n in range(8)])] == [1, 2, 5, 6, 7]


def test_what_is_in_no_span_does_not_count() -> None:
    assert steps([Span(ME, Via.SELF)], [(CASE, 1)]) == []
    assert steps([], [(ME, 1)]) == []


def test_spans_that_do_not_meet_have_no_part_in_common() -> None:
    span = Span(CASE, Via.CONTAINER, 5, 8)
    assert span.narrowed(9, Via.CONTAINER, 0, 4) is None
    assert span.narrowed(9, Via.CONTAINER, 9, None) is None
    assert span.narrowed(9, Via.CONTAINER, 6, None) == Span(9, Via.CONTAINER, 6, 8)
    assert Span(CASE, Via.CONTAINER, 5).narrowed(9, Via.CONTAINER, 2, None) == Span(9, Via.CONTAINER, 5, None)


BOUND = st.integers(0, 12)
END = st.none() | BOUND


@given(BOUND, END, BOUND, END, BOUND)
def test_narrowing_holds_what_both_hold(a: int, a_end: int | None, b: int, b_end: int | None, leaf: int) -> None:
    one, other = Span(CASE, Via.CONTAINER, a, a_end), Span(ME, Via.CONTAINER, b, b_end)
    both = one.narrowed(ME, Via.CONTAINER, b, b_end)
    assert (both is not None and both.holds(leaf)) == (one.holds(leaf) and other.holds(leaf))


def test_containment_is_from_pack_to_the_next_aggregation_of_the_child() -> None:
    told = Containment()
    told.pack("case", ["a", "b"], 1)
    told.pack("pallet", ["case"], 2)
    told.pack("other case", ["a"], 3)
    told.unpack("case", ["a"], 4)  # not inside any more: nothing happens
    told.unpack("case", [], 5)
    assert told.intervals() == {
        Inside("a", "case", 1, 3),
        Inside("a", "other case", 3, None),
        Inside("b", "case", 1, 5),
        Inside("case", "pallet", 2, None),
    }


PACKED = st.lists(st.tuples(st.booleans(), st.sampled_from("PQR"), st.lists(st.sampled_from("abPQ"), max_size=3)))


@given(PACKED, st.integers(0, 10))
def test_containment_can_be_taken_up_again_in_front_of_any_leaf(
    acts: list[tuple[bool, str, list[str]]], at: int
) -> None:
    whole = Containment()
    for leaf, (is_pack, parent, children) in enumerate(acts):
        (whole.pack if is_pack else whole.unpack)(parent, children, leaf)
    again = Containment.before(at, whole.intervals())
    for leaf, (is_pack, parent, children) in list(enumerate(acts))[at:]:
        (again.pack if is_pack else again.unpack)(parent, children, leaf)
    assert again.intervals() == whole.intervals()
