"""Decoders by the name that a stations.toml gives them, with their options in the words of that file."""

from collections.abc import Callable, Mapping
from inspect import signature

from scanners import line, m100
from scanners.records import Decoder


def decoder(name: str, options: Mapping[str, object] | None = None) -> Decoder:
    """A fresh decoder: `decoder("m100", {"power_dbm": 26})`.

    Raises: ValueError that names what there is, for an unknown name or option or an impossible value.
    """
    factory = FACTORIES.get(name)
    if factory is None:
        raise ValueError(f"decoder {name!r}: expected one of {', '.join(FACTORIES)}")
    known = signature(factory).parameters
    for option, value in (options or {}).items():
        if option not in known:
            raise ValueError(f"decoder {name}, option {option!r}: expected one of {', '.join(known)}")
        expected = type(known[option].default)
        # TOML writes 20 where 20.0 is meant.
        if not isinstance(value, (int, float) if expected is float else expected) or isinstance(value, bool):
            raise ValueError(f"decoder {name}, option {option} = {value!r}: expected {expected.__name__}")
    return factory(**(options or {}))


def _line(*, prefix: str = "", suffix: str = "\r\n", gs: str = "", cut_off_s: float = 2.0) -> Decoder:
    return line.LineDecoder(prefix=prefix.encode(), suffix=suffix.encode(), gs=gs.encode(), cut_off_s=cut_off_s)


def _m100(*, region: str = "china_900", power_dbm: float = 20.0, dialect: str = "bb") -> Decoder:
    regions = {known.name.lower(): known for known in m100.Region}
    if region not in regions:
        raise ValueError(f"decoder m100, region {region!r}: expected one of {', '.join(regions)}")
    if dialect not in m100.DIALECTS:
        raise ValueError(f"decoder m100, dialect {dialect!r}: expected one of {', '.join(m100.DIALECTS)}")
    return m100.M100Decoder(region=regions[region], power_dbm=power_dbm, dialect=m100.DIALECTS[dialect])


FACTORIES: dict[str, Callable[..., Decoder]] = {"line": _line, "m100": _m100}
"""Every parameter is an option with a default of its type."""
