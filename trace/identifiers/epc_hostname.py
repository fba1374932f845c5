"""Domain names on EPC tags: what makes a `++` scheme of a `+` scheme (EPC Tag Data Standard 2.3, section 14.5.16).

    0 | length (6 bits) | URN Code 40            upper-case names only
    1 | number of units (6 bits) | units of 7 bits

A unit is a character, or a frequent piece such as `id.` or `.com`; a first unit of 0 to 3 makes with the next one a
country or other domain. Reading then gives the one spelling that was written: `https://` is meant, never `http://`.
"""

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import CSET_82
from trace.identifiers.epc_methods import BitReader, BitWriter, UrnCode40

LONGEST = 63
"""Characters of a name."""

# Table A: what stands where ASCII has nothing that an AI may carry. The other codes are the characters themselves.
_PIECES = {
    0x1E: "qr.", 0x1F: "www.", 0x20: "id.", 0x5B: ".com", 0x5C: ".org", 0x5D: ".net", 0x5E: ".int", 0x60: ".edu",
    0x7B: ".gov", 0x7C: ".mil", 0x7D: ".biz", 0x7E: ".eco", 0x7F: ".med",
}  # fmt: skip

# Tables B1 to B4, in the order of their second unit. Three rows of B3 are printed with the first unit of B1
# (.org.cn, .net.cn); the title of the table and the rows around them say B3.
_TABLES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo bq br bs bt bw by bz "
    "ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et eu fi fj fk "
    "fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is "
    "it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li",
    "lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl "
    "no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl "
    "sm sn sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug us uy uz va vc ve vg vi "
    "vn vu wf ws ye yt za zm zw",
    "com.au net.au org.au co.at com.bd co.bd com.br net.br co.nz com.ng com.pk co.in com.in co.il co.jp co.za "
    "co.kr com.es com.lk co.th co.tt com.tt com.tr biz.tr com.ua co.uk co.zm com.zm com.cn org.cn net.cn gov.cn",
    "tech",
)
_DOMAINS = tuple(tuple("." + name for name in names.split()) for names in _TABLES)

_CODE_40 = UrnCode40()
_UNITS_OF = {piece: (code,) for code, piece in _PIECES.items()} | {
    domain: (table, place) for table, domains in enumerate(_DOMAINS) for place, domain in enumerate(domains)
}
_LENGTHS = sorted({len(piece) for piece in _UNITS_OF})


def read_hostname(bits: BitReader) -> str:
    """Raises: ParseError."""
    seven_bit, length = bits.take(1), bits.take(6)
    name = _read_units(bits, length) if seven_bit else _CODE_40.read(bits, length)
    if not 1 <= len(name) <= LONGEST:
        raise ParseError(f"hostname {name!r}: expected 1 to {LONGEST} characters, got {len(name)}.")
    return name


def write_hostname(name: str, bits: BitWriter) -> None:
    """Raises: ValidationError when it is too long or has other characters than set 82."""
    if not 1 <= len(name) <= LONGEST or not CSET_82.holds(name):
        raise ValidationError(f"hostname {name[:80]!r}: expected 1 to {LONGEST} characters of {CSET_82.name}.")
    if _CODE_40.holds(name):
        bits.put(0, 1)
        bits.put(len(name), 6)
        _CODE_40.write(name, bits)
        return
    units = _fewest_units(name)
    bits.put(1, 1)
    bits.put(len(units), 6)
    for unit in units:
        bits.put(unit, 7)


def _read_units(bits: BitReader, count: int) -> str:
    name = ""
    while count > 0:
        unit = bits.take(7)
        count -= 1
        if unit < len(_DOMAINS):
            place = bits.take(7)
            count -= 1
            if count < 0 or place >= len(_DOMAINS[unit]):
                raise ParseError(f"hostname {name!r}: no domain {unit} {place}.")
            name += _DOMAINS[unit][place]
        elif unit in _PIECES:
            name += _PIECES[unit]
        elif CSET_82.holds(chr(unit)) or unit == 0x23:
            name += chr(unit)
        else:
            raise ParseError(f"hostname {name!r}: unit {unit} is reserved.")
    return name


def _fewest_units(name: str) -> tuple[int, ...]:
    """From the end: the shortest writing of what follows each place. Of equals, the one with the longer piece first."""
    best: list[tuple[int, ...]] = [()]
    for start in range(len(name) - 1, -1, -1):
        found = (ord(name[start]), *best[-1])
        for length in _LENGTHS:
            units = _UNITS_OF.get(name[start : start + length])
            if units is not None and length <= len(best) and len(units) + len(best[-length]) <= len(found):
                found = (*units, *best[-length])
        best.append(found)
    return best[-1]
