"""What the public page says of a thing: a story turned into sentences, rows and a drawing.

Pure: no SQL, no request, no clock. Words are keys of the catalogues, so that tests and templates meet in one place.
Public pages never show prices, terms between partners, or the names of people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from app import formats
from app.public import citymap
from app.translate import Name, Words, name_in
from trace.query import Hop, Product, Story, Via, Where
from trace.supervision.verdict import Verdict, VerdictClass, VerdictCode

FOLD_FROM = 9
"""A journey of this many steps folds its middle."""
FOLD_HEAD, FOLD_TAIL = 3, 4
WAIT_DAYS = 4
"""A wait shows from here: more than three days."""
SOON_DAYS = 30
"""Days left from which the shelf life is a warning."""
LATE_DAYS = 3
"""Recorded this many days after it was said to happen: the page says so."""
SOLD_STEPS = ("retail_selling", "dispensing")
TEST_STEPS = ("inspecting", "sampling")

BIZ_STEPS = (
    "accepting", "arriving", "assembling", "collecting", "commissioning", "consigning", "creating_class_instance",
    "cycle_counting", "decommissioning", "departing", "destroying", "disassembling", "dispensing", "encoding",
    "entering_exiting", "holding", "inspecting", "installing", "killing", "loading", "other", "packing", "picking",
    "receiving", "removing", "repackaging", "repairing", "replacing", "reserving", "retail_selling", "sampling",
    "sensor_reporting", "shipping", "staging_outbound", "stock_taking", "stocking", "storing", "transporting",
    "unloading", "unpacking", "void_shipping",
)  # fmt: skip
"""Business steps of the Core Business Vocabulary 2.0: each has words `step.<bizStep>` in both languages."""

# What to do, most urgent first; the words are `do.<name>` and `do.<name>.how`.
STEPS_OF = {
    VerdictCode.RECALLED: ("stop", "return", "report"),
    VerdictCode.HALTED: ("stop", "keep", "report"),
    VerdictCode.FAILED: ("stop", "keep", "report"),
    VerdictCode.COLD: ("stop", "ask", "report"),
    VerdictCode.EXPIRED: ("stop", "expired"),
    VerdictCode.SOLD_TWICE: ("stop", "compare", "report"),
    VerdictCode.INVENTED: ("stop", "compare", "report"),
}


@dataclass(frozen=True)
class Banner:
    """The verdict as it is shown: form, word, reason."""

    form: VerdictClass
    title: Words
    reason: tuple[Words, ...]
    """Clauses of one or several sentences."""
    also: tuple[Words, ...]
    """What lost to the verdict."""
    steps: tuple[tuple[Words, Words], ...]
    """What to do: act and how; empty unless the form is stop."""


@dataclass(frozen=True)
class Shelf:
    """Production and expiry."""

    produced: str | None
    expiry: str | None
    left: Words | None
    used_percent: int | None
    """Part of the shelf life that is over, 0 to 100."""
    form: VerdictClass


@dataclass(frozen=True)
class Step:
    """One node of the time line. It names no site: a district is as fine as the public may know."""

    n: int
    act: Words
    district: Name | None
    firm: Name
    time: str
    time_iso: str
    temperature: str | None
    alarm: bool
    corrected: bool
    """It was declared to be an error."""
    notes: tuple[Words, ...]
    wait_before: Words | None
    """The chip above the node, for waits over three days."""


@dataclass(frozen=True)
class Inspection:
    """An inspection or a sampling on record."""

    act: Words
    firm: Name
    day: str
    result: Words | None
    form: VerdictClass


@dataclass(frozen=True)
class Firm:
    """An enterprise of the journey."""

    name: Name
    steps: str
    """`1, 3–4`."""
    count: int
    attested: bool
    """At least one of its steps was recorded by the platform in its place."""


@dataclass(frozen=True)
class Page:
    """All that `public/result.html` shows."""

    banner: Banner
    code: str
    kind: str
    product: Product | None
    product_name: Name | None
    maker: Name | None
    lot: str | None
    shelf: Shelf | None
    sales: int | None
    """None where a count of sales makes no sense."""
    gap: bool
    """The journey starts in the middle."""
    head: tuple[Step, ...]
    folded: tuple[Step, ...]
    tail: tuple[Step, ...]
    steps: int
    published: int
    """Steps that a signed checkpoint covers: those the proof can hold."""
    temperature: str | None
    alarm: bool
    map: citymap.CityMap | None
    map_places: tuple[Name, ...]
    """The route in words, for those who do not see the drawing."""
    tests: tuple[Inspection, ...]
    firms: tuple[Firm, ...]
    inside: tuple[str, ...]
    path: str
    asked_at: str
    asked_at_iso: str


def present(story: Story, now: datetime, language: str) -> Page:
    """The page on a story as of `now` (aware) in `zh` or `en`."""
    today = formats.local(now).date()
    hops = story.hops
    steps = tuple(
        _step(n, hop, hops[n - 2] if n > 1 else None, story, today, language) for n, hop in enumerate(hops, 1)
    )
    folds = len(steps) >= FOLD_FROM
    codes = {story.verdict.code, *story.verdict.others}
    product_name = None if story.product is None else name_in(language, story.product.name_zh, story.product.name_en)
    drawing = citymap.draw(tuple(hop.where.district_code if hop.where else None for hop in story.valid_hops))
    readings = [value for hop in story.valid_hops for value in (hop.celsius_min, hop.celsius_max) if value is not None]
    return Page(
        banner=_banner(story, today, language),
        code=story.code,
        kind=story.kind,
        product=story.product,
        product_name=product_name,
        maker=None if story.product is None else name_in(language, story.product.maker_zh, story.product.maker_en),
        lot=story.lot,
        shelf=_shelf(story, today, language),
        sales=story.sales if story.kind in ("item", "national") and hops else None,
        gap=VerdictCode.GAP in codes,
        head=steps[:FOLD_HEAD] if folds else steps,
        folded=steps[FOLD_HEAD:-FOLD_TAIL] if folds else (),
        tail=steps[-FOLD_TAIL:] if folds else (),
        steps=len(steps),
        published=sum(hop.published for hop in hops),
        temperature=formats.celsius_range(min(readings), max(readings), language) if readings else None,
        alarm=any(hop.celsius_alarm for hop in story.valid_hops),
        map=drawing,
        map_places=() if drawing is None else tuple(_district_name(code, language) for code in drawing.route),
        tests=tuple(_test(hop, today, language) for hop in story.valid_hops if hop.biz_step in TEST_STEPS),
        firms=_firms(hops, language),
        inside=story.inside,
        path=story.path,
        asked_at=formats.moment(now, language, today),
        asked_at_iso=formats.iso(now),
    )


def not_found(code: str, now: datetime, language: str, reason: VerdictCode = VerdictCode.NOT_FOUND) -> Page:
    """The page on a code that no record names, or whose link is not to be believed: NOT_FOUND, UNUSED, INVENTED."""
    nothing = Story("", "", code, "item", None, None, None, None, Verdict(reason), 0, (), (), 0)
    return present(nothing, now, language)


def step_key(hop: Hop) -> str:
    """The sentence for what was done. A business step that we have no words for falls back to the type of its event."""
    if hop.event_type == "TransformationEvent" and hop.biz_step in (None, "commissioning", "other"):
        return "step.making"
    if hop.biz_step in BIZ_STEPS:
        return f"step.{hop.biz_step}"
    if hop.event_type == "AggregationEvent" and hop.action in ("ADD", "DELETE"):
        return "step.packing" if hop.action == "ADD" else "step.unpacking"
    return "step.other"


# ---- the verdict --------------------------------------------------------------------------------


def _banner(story: Story, today: date, language: str) -> Banner:
    verdict = story.verdict
    drug = story.product is not None and story.product.sector == "drug"
    eat = "use" if drug or story.product is None else "eat"
    steps = STEPS_OF.get(verdict.code, ())
    return Banner(
        form=verdict.form,
        title=_verdict_words(verdict.code, story),
        reason=_reason(story, today, language),
        also=tuple(_verdict_words(code, story) for code in verdict.others),
        steps=tuple(
            (Words(f"do.{name}.{eat}" if name == "stop" else f"do.{name}"), Words(f"do.{name}.how")) for name in steps
        ),
    )


def _verdict_words(code: VerdictCode, story: Story) -> Words:
    if code is VerdictCode.SOLD_TWICE:
        return Words("v.sold2", num=story.sales)
    key = {VerdictCode.HALTED: "halt"}.get(code, code.value)
    return Words(f"v.{key}")


def _reason(story: Story, today: date, language: str) -> tuple[Words, ...]:
    code = story.verdict.code
    if code is VerdictCode.NORMAL:
        return _all_in_order(story, today)
    if code is VerdictCode.EXPIRED and story.expiry is not None:
        days = (today - story.expiry).days
        return (Words("r.expired", {"day": formats.day(story.expiry, language, today)}, num=days),)
    if code is VerdictCode.COLD and "celsius" in story.verdict.params:
        worst = formats.celsius(float(story.verdict.params["celsius"]), language)
        return (Words("r.cold", {"celsius": worst}),)
    if code is VerdictCode.SOLD:
        sale = next((hop for hop in reversed(story.valid_hops) if hop.biz_step in SOLD_STEPS), None)
        if sale is None:
            return (Words("r.sold"),)
        at = formats.day(formats.local(sale.event_time).date(), language, today)
        if sale.where is None:
            return (Words("r.sold_on", {"day": at}),)
        return (Words("r.sold_at", {"day": at, "district": _district(sale.where, language)}),)
    if code is VerdictCode.GAP:
        first = story.hops[0].where if story.hops else None
        if first is not None:
            return (Words("r.gap_at", {"district": _district(first, language)}),)
        return (Words("r.gap"),)
    key = {VerdictCode.HALTED: "halt"}.get(code, code.value)
    return (Words(f"r.{key}"),)


def _all_in_order(story: Story, today: date) -> tuple[Words, ...]:
    """Claims only what the records hold: no word on tests or shelf life where there is none on record."""
    clauses = [Words("r.steps", num=len(story.valid_hops))]
    if any(hop.biz_step == "inspecting" and hop.disposition == "conformant" for hop in story.valid_hops):
        clauses.append(Words("r.tested"))
    if story.expiry is not None and story.expiry >= today:
        clauses.append(Words("r.fresh"))
    return tuple(clauses)


# ---- the parts ----------------------------------------------------------------------------------


def _shelf(story: Story, today: date, language: str) -> Shelf | None:
    if story.produced is None and story.expiry is None:
        return None
    left, used, form = None, None, VerdictClass.OK
    if story.expiry is not None:
        days = (story.expiry - today).days
        if days < 0:
            left, form = Words("d.over", num=-days), VerdictClass.STOP
        elif days <= SOON_DAYS:
            left, form = Words("v.soon", num=days) if days else Words("d.today"), VerdictClass.CAUTION
        else:
            left = Words("d.left", num=days)
        if story.produced is not None and story.expiry > story.produced:
            part = (today - story.produced).days / (story.expiry - story.produced).days
            used = round(100 * min(1, max(0, part)))
    return Shelf(
        produced=formats.table_day(story.produced) if story.produced else None,
        expiry=formats.table_day(story.expiry) if story.expiry else None,
        left=left,
        used_percent=used,
        form=form,
    )


def _step(n: int, hop: Hop, before: Hop | None, story: Story, today: date, language: str) -> Step:
    firm = name_in(language, hop.attested_for_zh or hop.signer_zh, hop.attested_for_en or hop.signer_en)
    temperature = None
    if hop.celsius_min is not None and hop.celsius_max is not None:
        temperature = formats.celsius_range(hop.celsius_min, hop.celsius_max, language)
    return Step(
        n=n,
        act=Words(step_key(hop)),
        district=None if hop.where is None else _district(hop.where, language),
        firm=firm,
        time=formats.moment(hop.event_time, language, today),
        time_iso=formats.iso(hop.event_time),
        temperature=temperature,
        alarm=hop.celsius_alarm and hop.corrected_at is None,
        corrected=hop.corrected_at is not None,
        notes=tuple(_notes(hop, story, today, language)),
        wait_before=_wait(before, hop),
    )


_WHY_WRONG = {"did_not_occur": "note.corrected.did_not_occur", "incorrect_data": "note.corrected.incorrect_data"}
"""Words for the reasons of CBV 2.0, section 7.5."""


def _notes(hop: Hop, story: Story, today: date, language: str) -> list[Words]:
    notes = []
    if hop.corrected_at is not None:
        day = formats.day(formats.local(hop.corrected_at).date(), language, today)
        notes.append(Words(_WHY_WRONG.get(hop.corrected_reason or "", "note.corrected"), {"day": day}))
    tail = {"tail": hop.subject.rsplit("/", 1)[-1][-5:]}
    if hop.via is Via.CONTAINER:
        notes.append(Words("note.container", tail))
    elif hop.via is Via.LOT and story.kind != "lot":
        notes.append(Words("note.lot"))
    elif hop.via is Via.INPUT:
        notes.append(Words("note.input"))
    if hop.attested_for_zh or hop.attested_for_en:
        name = name_in(language, hop.attested_for_zh or "", hop.attested_for_en or "")
        notes.append(Words("p.proxy", {"name": name}))
    late = (hop.received_at - hop.event_time).days
    if late >= LATE_DAYS:
        notes.append(Words("note.late", num=late))
    if not hop.published:
        notes.append(Words("note.fresh"))
    return notes


def _wait(before: Hop | None, hop: Hop) -> Words | None:
    """In whole days; "in store" only when both steps name the same place."""
    if before is None:
        return None
    days = (hop.event_time - before.event_time).days
    if days < WAIT_DAYS:
        return None
    same = before.where is not None and hop.where is not None and before.where.gln == hop.where.gln
    return Words("wait.stored" if same else "wait.between", num=days)


def _test(hop: Hop, today: date, language: str) -> Inspection:
    result, form = None, VerdictClass.UNKNOWN
    if hop.disposition == "conformant":
        result, form = Words("test.passed"), VerdictClass.OK
    elif hop.disposition == "non_conformant":
        result, form = Words("test.failed"), VerdictClass.STOP
    firm = name_in(language, hop.attested_for_zh or hop.signer_zh, hop.attested_for_en or hop.signer_en)
    at = formats.day(formats.local(hop.event_time).date(), language, today)
    return Inspection(Words(step_key(hop)), firm, at, result, form)


def _firms(hops: Sequence[Hop], language: str) -> tuple[Firm, ...]:
    steps: dict[tuple[str, str], list[int]] = {}
    attested = set()
    for n, hop in enumerate(hops, 1):
        names = (hop.attested_for_zh or hop.signer_zh, hop.attested_for_en or hop.signer_en)
        steps.setdefault(names, []).append(n)
        if hop.attested_for_zh or hop.attested_for_en:
            attested.add(names)
    return tuple(
        Firm(name_in(language, *names), _ranges(own), len(own), names in attested) for names, own in steps.items()
    )


def _ranges(numbers: list[int]) -> str:
    """`1, 3–4` for 1, 3, 4."""
    runs = [[numbers[0], numbers[0]]]
    for before, number in pairwise(numbers):
        if number == before + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)


def _district(where: Where, language: str) -> Name:
    return name_in(language, where.district_zh, where.district_en)


def _district_name(code: str, language: str) -> Name:
    district = citymap.DISTRICTS[code]
    return name_in(language, district.name_zh, district.name_en)
