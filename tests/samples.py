"""Stories, lists and answers to show pages with, made by hand; the city and its firms are fictional."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from trace.query import Hop, Product, Story, Via, Where
from trace.supervision.verdict import Verdict, VerdictCode

NOW = datetime(2026, 11, 19, 23, 42, tzinfo=UTC)
"""7:42 on 20 November at the place of display."""

MILK = Product(
    gtin="09520000000028",
    name_zh="示例晨光婴幼儿配方乳粉（较大婴儿，2段）",
    name_en="Example Chenguang infant formula, stage 2",
    spec="800 g",
    sector="food",
    maker_zh="示例云桥晨光乳业有限公司",
    maker_en="Example Yunqiao Chenguang Dairy",
    approval="国食注字YP20999001",
    image="tin",
)

FARM = Where("9520000000134", "石溪奶源牧场", "Shixi dairy farm", "990121", "石溪县", "Shixi")
PLANT = Where("9520000000059", "东渡一厂", "Dongdu plant 1", "990102", "东渡区", "Dongdu")
DEPOT = Where("9520000000141", "西岭常温库", "Xiling depot", "990103", "西岭区", "Xiling")
SHOP = Where("9520000000158", "东渡解放路店", "Jiefang Road shop", "990102", "东渡区", "Dongdu")

_ITEM = "https://id.gs1.org/01/09520000000028/21/CG0001842"
_LOT = "https://id.gs1.org/01/09520000000028/10/CG20260802A"
_CASE = "https://id.gs1.org/00/095200000000001842"
_DAIRY = ("示例云桥晨光乳业有限公司", "Example Yunqiao Chenguang Dairy")
_CARRIER = ("示例云桥医药物流有限公司", "Example Yunqiao Pharma Logistics")


def hop(step: str, at: datetime, where: Where | None = PLANT, **changes: object) -> Hop:
    """One step as its device signed it, recorded 30 seconds later."""
    plain = Hop(
        leaf_index=100,
        event_id="ni:///sha-256;00?ver=CBV2.0",
        event_type="ObjectEvent",
        action="OBSERVE",
        biz_step=step,
        disposition=None,
        event_time=at,
        utc_offset_minutes=480,
        received_at=at + timedelta(seconds=30),
        subject=_ITEM,
        via=Via.SELF,
        where=where,
        signer_zh=_DAIRY[0],
        signer_en=_DAIRY[1],
        attested_for_zh=None,
        attested_for_en=None,
        celsius_min=None,
        celsius_max=None,
        celsius_alarm=False,
        published=True,
    )
    return replace(plain, **changes)


def journey() -> tuple[Hop, ...]:
    """From milk to shop in seven steps: an ingredient, a lot, a case, a long wait, one step signed by the platform."""
    carrier = {"signer_zh": _CARRIER[0], "signer_en": _CARRIER[1]}
    return (
        hop(
            "collecting",
            datetime(2026, 7, 31, 22, 10, tzinfo=UTC),
            FARM,
            via=Via.INPUT,
            subject="https://id.gs1.org/01/09520000000073/10/B0728",
            signer_zh="溯源平台",
            signer_en="Suyuan platform",
            attested_for_zh="示例云桥石溪奶牛养殖专业合作社",
            attested_for_en="Example Shixi dairy co-operative",
            celsius_min=2.4,
            celsius_max=3.9,
        ),
        hop(
            "commissioning",
            datetime(2026, 8, 2, 3, 0, tzinfo=UTC),
            event_type="TransformationEvent",
            via=Via.LOT,
            subject=_LOT,
        ),
        hop("inspecting", datetime(2026, 8, 3, 8, 20, tzinfo=UTC), via=Via.LOT, subject=_LOT, disposition="conformant"),
        hop("packing", datetime(2026, 8, 4, 2, 0, tzinfo=UTC), event_type="AggregationEvent", action="ADD"),
        hop("shipping", datetime(2026, 8, 10, 0, 5, tzinfo=UTC), via=Via.CONTAINER, subject=_CASE),
        hop(
            "receiving",
            datetime(2026, 8, 10, 5, 0, tzinfo=UTC),
            DEPOT,
            via=Via.CONTAINER,
            subject=_CASE,
            celsius_min=18,
            celsius_max=23.5,
            **carrier,
        ),
        hop(
            "receiving",
            datetime(2026, 11, 17, 1, 30, tzinfo=UTC),
            SHOP,
            signer_zh="示例云桥母婴生活馆",
            signer_en="Example Mother and Child shop",
        ),
    )


def story(given: VerdictCode = VerdictCode.NORMAL, /, **changes: object) -> Story:
    """A tin of formula with the verdict."""
    verdict = Verdict(given, {"steps": 7, "sales": 0, "days": 620, "expiry": "2028-08-01", "celsius": 31.5})
    plain = Story(
        uri=_ITEM,
        path="/01/09520000000028/21/CG0001842",
        code="0109520000000028 21CG0001842".replace(" ", ""),
        kind="item",
        product=MILK,
        lot="CG20260802A",
        produced=date(2026, 8, 2),
        expiry=date(2028, 8, 1),
        verdict=verdict,
        sales=0,
        hops=journey(),
        inside=(),
        log_size=18_204,
    )
    told = replace(plain, **_facts(given, plain))
    return replace(told, **changes)


def _facts(code: VerdictCode, plain: Story) -> dict[str, object]:
    """What a story looks like when this verdict is right."""
    sold = hop("retail_selling", datetime(2026, 11, 19, 10, 12, tzinfo=UTC), SHOP, disposition="retail_sold")
    if code is VerdictCode.NOT_FOUND:
        return {"product": None, "lot": None, "produced": None, "expiry": None, "hops": ()}
    if code is VerdictCode.SOLD:
        return {"sales": 1, "hops": (*plain.hops, sold)}
    if code is VerdictCode.SOLD_TWICE:
        return {"sales": 2, "hops": (*plain.hops, sold, sold)}
    if code is VerdictCode.GAP:
        return {"hops": plain.hops[4:]}
    if code is VerdictCode.EXPIRED:
        return {"produced": date(2024, 8, 2), "expiry": date(2026, 8, 1)}
    if code is VerdictCode.COLD:
        hot = replace(plain.hops[5], celsius_max=31.5, celsius_alarm=True)
        return {"hops": (*plain.hops[:5], hot, *plain.hops[6:])}
    if code is VerdictCode.FAILED:
        failed = replace(plain.hops[2], disposition="non_conformant")
        return {"hops": (*plain.hops[:2], failed, *plain.hops[3:])}
    if code is VerdictCode.RECALLED:
        return {"verdict": replace(plain.verdict, others=(VerdictCode.HALTED, VerdictCode.FAILED))}
    return {}


def blacklist() -> list[dict[str, object]]:
    """One published entry and three that only regulators see."""
    entry = {
        "name": "示例云桥某粮油行",
        "uscc": "92990103MADEM1137G",
        "category": "食品经营",
        "ground": "销售以工业原料加工的食用油",
        "basis": "《市场监督管理严重违法失信名单管理办法》第五条",
        "decision_number": "云市监罚〔2026〕18号",
        "authority": "云桥市市场监督管理局",
        "listed_on": date(2026, 9, 14),
        "until": date(2029, 9, 13),
        "status": "published",
        "removed_on": None,
        "removal_reason": None,
    }
    return [
        entry,
        entry
        | {"name": "示例云桥西岭酒行", "status": "hearing", "decision_number": None, "listed_on": None, "until": None},
        entry
        | {"name": "示例云桥旧药铺", "status": "expired", "listed_on": date(2023, 5, 2), "until": date(2026, 5, 1)},
        entry
        | {
            "name": "示例云桥石溪合作社",
            "status": "repaired",
            "removed_on": date(2026, 10, 9),
            "removal_reason": "已履行义务，信用修复",
        },
    ]


def answer(outcome: str = "ok", **changes: object) -> dict[str, object]:
    """What the record page answers to one scan."""
    return {
        "outcome": outcome,
        "code": "010952000000002821CG0001842",
        "product_name": "示例晨光婴幼儿配方乳粉 800 g",
        "step": "receiving",
        "leaf_index": 18_204,
        "event_id": "ni:///sha-256;00?ver=CBV2.0",
        "message": {
            "ok": "收货已记录。",
            "duplicate": "今天07:31已在这里收过。",
            "stop": "已召回（一级），请放隔离区。",
            "caution": "单子上没有这一箱。",
            "unread": "条码分隔符丢失，请用相机扫。",
        }[outcome],
        "path": "/01/09520000000028/21/CG0001842",
    } | changes
