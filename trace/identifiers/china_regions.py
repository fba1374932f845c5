"""Administrative regions of China: `[2 province][2 city][2 county]` (GB/T 2260), and the provinces' abbreviations.

The table holds every code that was ever in force, since licences keep the region of their first day. That a code is
missing proves nothing: issuers also use numbers of development zones that GB/T 2260 does not list. So nothing here
raises; an unknown or withdrawn region is a warning.
"""

from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("china_regions.tsv")
"""Made by `scripts/make_region_table.py`: editions 1980-12 to 2019-04 and the statistical codes of 2023-06."""

ABBREVIATIONS = {
    "京": "11",
    "津": "12",
    "冀": "13",
    "晋": "14",
    "蒙": "15",
    "辽": "21",
    "吉": "22",
    "黑": "23",
    "沪": "31",
    "苏": "32",
    "浙": "33",
    "皖": "34",
    "闽": "35",
    "赣": "36",
    "鲁": "37",
    "豫": "41",
    "鄂": "42",
    "湘": "43",
    "粤": "44",
    "桂": "45",
    "琼": "46",
    "渝": "50",
    "川": "51",
    "黔": "52",
    "滇": "53",
    "藏": "54",
    "陕": "61",
    "甘": "62",
    "青": "63",
    "宁": "64",
    "新": "65",
    "兵": "66",
    "贵": "52",
    "云": "53",
}
"""Province by its abbreviation on licences. 兵 is the Xinjiang corps, not in GB/T 2260; the last two are variants."""


def region_name(code: str) -> str | None:
    """Name of a region of six digits, as in the newest list that has it."""
    found = _regions().get(code)
    return None if found is None else found[1]


def region_warnings(code: str) -> tuple[str, ...]:
    """What is doubtful in a region of six digits."""
    found = _regions().get(code)
    if found is not None:
        last, name = found
        return (f"region {code!r} ({name}) is historic: last listed in {last}.",) if last else ()
    province = region_name(f"{code[:2]}0000")
    if province is None:
        return (f"region {code!r}: no province has {code[:2]}.",)
    return (f"region {code!r} of {province} is not listed, now or before.",)


def province_warnings(code: str) -> tuple[str, ...]:
    """What is doubtful in a province of two digits."""
    return () if region_name(f"{code}0000") is not None else (f"region {code!r}: no province has this number.",)


@cache
def _regions() -> dict[str, tuple[str, str]]:
    """Code to the month of its last edition (empty: still listed) and name. Read when first asked for."""
    rows = (line.split("\t") for line in _TABLE.read_text(encoding="utf-8").splitlines())
    return {code: (last, name) for code, last, name in rows}
