"""Master data: regions, parties, sites, products."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from trace.store.rows import PartyRow, ProductRow, RegionRow, SiteRow


@dataclass(frozen=True)
class Region:
    """GB/T 2260 code and names."""

    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True)
class Party:
    """An enterprise, a regulator, a laboratory, or the platform itself."""

    pseudonym: str
    uscc: str
    name_zh: str
    name_en: str
    region: str
    licence: str | None


@dataclass(frozen=True)
class Site:
    """A place of a party."""

    gln: str
    party: str
    name_zh: str
    name_en: str
    region: str


@dataclass(frozen=True)
class TradeItem:
    """A product by GTIN."""

    gtin: str
    name_zh: str
    name_en: str
    spec: str
    sector: str
    maker: str | None
    approval: str | None
    drug_prefix: str | None
    image: str | None = None
    """Name of a drawing that stands for it on pages."""


def add_region(session: Session, platform: int, region: Region) -> None:
    session.add(RegionRow(platform=platform, **vars(region)))


def add_party(session: Session, platform: int, party: Party) -> None:
    session.add(PartyRow(platform=platform, **vars(party)))


def add_site(session: Session, platform: int, site: Site) -> None:
    session.add(SiteRow(platform=platform, **vars(site)))


def add_product(session: Session, platform: int, product: TradeItem) -> None:
    session.add(ProductRow(platform=platform, **vars(product)))


def regions(session: Session, platform: int) -> dict[str, Region]:
    rows = session.scalars(select(RegionRow).where(RegionRow.platform == platform))
    return {row.code: Region(row.code, row.name_zh, row.name_en) for row in rows}


def parties(session: Session, platform: int, pseudonyms: Iterable[str]) -> dict[str, Party]:
    query = select(PartyRow).where(PartyRow.platform == platform, PartyRow.pseudonym.in_(sorted(pseudonyms)))
    return {row.pseudonym: _party(row) for row in session.scalars(query)}


def party_by_uscc(session: Session, platform: int, uscc: str) -> Party | None:
    row = session.scalar(select(PartyRow).where(PartyRow.platform == platform, PartyRow.uscc == uscc))
    return None if row is None else _party(row)


def sites(session: Session, platform: int, glns: Iterable[str]) -> dict[str, Site]:
    query = select(SiteRow).where(SiteRow.platform == platform, SiteRow.gln.in_(sorted(glns)))
    return {row.gln: _site(row) for row in session.scalars(query)}


def sites_of_party(session: Session, platform: int, pseudonym: str) -> list[Site]:
    query = select(SiteRow).where(SiteRow.platform == platform, SiteRow.party == pseudonym).order_by(SiteRow.gln)
    return [_site(row) for row in session.scalars(query)]


def product(session: Session, platform: int, gtin: str) -> TradeItem | None:
    row = session.get(ProductRow, (platform, gtin))
    if row is None:
        return None
    return TradeItem(
        row.gtin, row.name_zh, row.name_en, row.spec, row.sector, row.maker, row.approval, row.drug_prefix, row.image
    )


def gtins_of_drug_prefixes(session: Session, platform: int, prefixes: set[str]) -> dict[str, str]:
    """GTIN by the seven digits in front of a drug trace code; unknown prefixes are left out."""
    if not prefixes:
        return {}
    query = select(ProductRow.drug_prefix, ProductRow.gtin).where(
        ProductRow.platform == platform, ProductRow.drug_prefix.in_(sorted(prefixes))
    )
    return {prefix: gtin for prefix, gtin in session.execute(query) if prefix is not None}


def _party(row: PartyRow) -> Party:
    return Party(row.pseudonym, row.uscc, row.name_zh, row.name_en, row.region, row.licence)


def _site(row: SiteRow) -> Site:
    return Site(row.gln, row.party, row.name_zh, row.name_en, row.region)
