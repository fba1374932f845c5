"""What the public page says of a story, before it becomes HTML."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.public import citymap, present
from app.translate import Name, Words
from tests import samples
from trace.query import Via
from trace.supervision.verdict import VerdictClass, VerdictCode


def page(code: VerdictCode = VerdictCode.NORMAL, language: str = "zh", **changes: object) -> present.Page:
    return present.present(samples.story(code, **changes), samples.NOW, language)


@pytest.mark.parametrize("code", VerdictCode)
def test_every_verdict_has_a_word_a_reason_and_its_form(code: VerdictCode) -> None:
    banner = page(code).banner
    assert banner.title.key.startswith("v.")
    assert banner.reason
    assert bool(banner.steps) == (banner.form is VerdictClass.STOP)


def test_in_order_claims_only_what_is_on_record() -> None:
    untested = tuple(hop for hop in samples.journey() if hop.biz_step != "inspecting")
    assert page().banner.reason == (Words("r.steps", num=7), Words("r.tested"), Words("r.fresh"))
    assert page(hops=untested, expiry=None).banner.reason == (Words("r.steps", num=6),)


def test_a_sale_is_told_with_its_day_and_district() -> None:
    assert page(VerdictCode.SOLD).banner.reason == (
        Words("r.sold_at", {"day": "11月19日", "district": Name("东渡区")}),
    )
    assert page(VerdictCode.SOLD, hops=samples.journey()).banner.reason == (Words("r.sold"),)


def test_what_lost_to_the_verdict_is_noted() -> None:
    assert page(VerdictCode.RECALLED).banner.also == (Words("v.halt"), Words("v.failed"))


def test_food_is_not_to_be_eaten_and_medicine_not_to_be_used() -> None:
    drug = replace(samples.MILK, sector="drug")
    assert page(VerdictCode.RECALLED).banner.steps[0][0] == Words("do.stop.eat")
    assert page(VerdictCode.RECALLED, product=drug).banner.steps[0][0] == Words("do.stop.use")


def test_shelf_life_counts_days_and_warns_in_its_last_month() -> None:
    assert page().shelf == present.Shelf("2026-08-02", "2028-08-01", Words("d.left", num=620), 15, VerdictClass.OK)
    soon = page(expiry=date(2026, 12, 1)).shelf
    assert soon is not None and (soon.left, soon.form) == (Words("v.soon", num=11), VerdictClass.CAUTION)
    today = page(expiry=date(2026, 11, 20)).shelf
    assert today is not None and (today.left, today.form) == (Words("d.today"), VerdictClass.CAUTION)
    over = page(VerdictCode.EXPIRED).shelf
    assert over is not None and (over.left, over.form) == (Words("d.over", num=111), VerdictClass.STOP)
    assert page(produced=None, expiry=None).shelf is None


def test_waits_over_three_days_show_between_steps() -> None:
    waits = [step.wait_before for step in page().head]
    assert waits == [None, None, None, None, Words("wait.stored", num=5), None, Words("wait.between", num=98)]


def test_a_step_says_how_it_belongs_to_the_thing_and_who_signed_for_whom() -> None:
    notes = [step.notes for step in page(language="en").head]
    assert notes[0] == (Words("note.input"), Words("p.proxy", {"name": Name("Example Shixi dairy co-operative")}))
    assert notes[1] == (Words("note.lot"),)
    assert notes[4] == (Words("note.container", {"tail": "01842"}),)
    assert notes[6] == ()


def test_a_step_recorded_late_or_not_yet_published_says_so() -> None:
    at = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)
    late = samples.hop("storing", at, received_at=at + timedelta(days=5), published=False)
    assert page(hops=(late,)).head[0].notes == (
        Words("note.late", num=5),
        Words("note.fresh"),
    )


def test_the_middle_of_a_long_journey_is_folded() -> None:
    long = page(hops=samples.journey() * 2)
    assert [step.n for step in long.head] == [1, 2, 3]
    assert [step.n for step in long.folded] == [4, 5, 6, 7, 8, 9, 10]
    assert [step.n for step in long.tail] == [11, 12, 13, 14]
    assert page().folded == ()


def test_a_step_without_words_falls_back_to_its_event_type() -> None:
    at = datetime(2026, 11, 10, tzinfo=UTC)
    assert present.step_key(samples.hop("commissioning", at, event_type="TransformationEvent")) == "step.making"
    assert present.step_key(samples.hop("commissioning", at)) == "step.commissioning"
    assert present.step_key(samples.hop("", at, event_type="AggregationEvent", action="DELETE")) == "step.unpacking"
    assert present.step_key(samples.hop("https://example.org/odd", at)) == "step.other"


def test_names_that_lack_a_language_are_shown_in_the_other_one_and_marked() -> None:
    story = samples.story(product=replace(samples.MILK, name_en=""))
    assert present.present(story, samples.NOW, "en").product_name == Name(samples.MILK.name_zh, "zh")


def test_enterprises_are_listed_once_with_their_steps() -> None:
    assert [(firm.name.text, firm.steps, firm.attested) for firm in page(language="en").firms] == [
        ("Example Shixi dairy co-operative", "1", True),
        ("Example Yunqiao Chenguang Dairy", "2–5", False),
        ("Example Yunqiao Pharma Logistics", "6", False),
        ("Example Mother and Child shop", "7", False),
    ]


def test_only_published_steps_are_promised_to_the_proof() -> None:
    fresh = replace(samples.journey()[-1], published=False)
    shown = page(hops=(*samples.journey()[:-1], fresh))
    assert (shown.steps, shown.published) == (7, 6)


def test_the_public_page_holds_no_site_finer_than_a_district() -> None:
    assert "解放路" not in repr(page())
    assert "牧场" not in repr(page())


def test_sales_are_not_counted_for_lots_and_containers() -> None:
    assert page().sales == 0
    assert page(kind="lot").sales is None
    assert page(kind="container").sales is None
    assert present.not_found("123", samples.NOW, "zh").sales is None


def test_a_lot_does_not_say_that_it_moves_with_its_lot() -> None:
    hops = tuple(replace(hop, via=Via.LOT) for hop in samples.journey()[1:3])
    assert [step.notes for step in page(kind="lot", hops=hops).head] == [(), ()]


def test_neighbouring_steps_of_a_district_share_a_pill_on_the_map() -> None:
    drawing = page().map
    assert drawing is not None
    assert [pill.label for pill in drawing.pills] == ["1", "2–5", "6", "7"]
    assert len(drawing.arrows) == 3
    assert drawing.route == ("990121", "990102", "990103", "990102")


def test_a_journey_inside_one_district_has_no_map() -> None:
    assert citymap.draw(("990102", "990102", None, "110101")) is None
    assert citymap.draw(()) is None


def test_more_visits_than_slots_share_the_last_one() -> None:
    drawing = citymap.draw(("990102", "990103") * 5)
    assert drawing is not None
    assert [pill.label for pill in drawing.pills] == ["1", "2", "3", "4", "5, 7…", "6, 8…"]
    assert len(drawing.arrows) == 6
