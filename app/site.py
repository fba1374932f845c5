"""Whose platform this is, as pages show it: the city, its authority and the telephone that people can call."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """Named once, by the settings; every page shows the same."""

    city_zh: str = "云桥市"
    city_en: str = "Yunqiao"
    authority_zh: str = "云桥市市场监督管理局（示例）"
    authority_en: str = "Yunqiao Administration for Market Regulation (example)"
    domain: str = ""
    """The official domain, so that people can compare it with their address bar; empty when there is none yet."""
    hotline: str = ""
    """Telephone for reports; empty when there is none, and then no page shows a call button."""
