"""The address of a reader: which protocol it speaks, over which link, with which options.

`line+serial:///dev/serial/by-id/usb-…?baud=9600`: protocol `+` link `://` port `?` options. `baud` belongs to the
link, every other option to the decoder of the protocol. This is the only place that takes such an address apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit

from devices.link import Link
from devices.serial_link import SerialLink
from scanners.records import Decoder
from scanners.registry import FACTORIES, decoder
from trace.errors import ParseError

EXAMPLE = "line+serial:///dev/ttyUSB0?baud=9600"

# What the hardware of USB adapters and modules offers; a typing error such as 96000 is refused here, not at the port.
BAUD_RATES = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)
DEFAULT_BAUD = 9600


@dataclass(frozen=True)
class ReaderUrl:
    """A reader's address, taken apart. `str()` gives it as it was written."""

    text: str
    protocol: str
    port: str
    """Device path, or a name such as COM3."""
    baud: int
    options: Mapping[str, str]
    """For the decoder: all options but `baud`."""

    @classmethod
    def parse(cls, text: str) -> "ReaderUrl":
        """Raises: ParseError when it is not such an address. Whether the protocol exists is for `decoder()` to say."""
        parts = urlsplit(text)
        protocol, plus, link = parts.scheme.partition("+")
        if not protocol or not plus or link != "serial":
            raise ParseError(
                f"reader URL {text!r}: expected protocol+serial://port, like {EXAMPLE}, got scheme {parts.scheme!r}"
            )
        port = unquote(parts.netloc + parts.path)
        if not port:
            raise ParseError(f"reader URL {text!r}: expected a port after '://', like {EXAMPLE}, got none")
        options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in options:
                raise ParseError(f"reader URL {text!r}: option {name!r} is given twice")
            options[name] = value
        baud = options.pop("baud", str(DEFAULT_BAUD))
        if baud not in map(str, BAUD_RATES):
            raise ParseError(
                f"reader URL {text!r}: baud is {baud!r}, expected one of {', '.join(map(str, BAUD_RATES))}"
            )
        return cls(text, protocol, port, int(baud), MappingProxyType(options))

    def link(self) -> Link:
        """A closed link to this port."""
        return SerialLink(self.port, self.baud)

    def decoder(self) -> Decoder:
        """A fresh decoder with these options.

        Raises: ParseError when there is no such protocol or option, or a value is impossible.
        """
        try:
            factory = FACTORIES.get(self.protocol)
            known = signature(factory).parameters if factory is not None else {}
            options: dict[str, object] = {
                # In a URL everything is text; a decoder's default says what it takes.
                name: float(text) if name in known and isinstance(known[name].default, float) else text
                for name, text in self.options.items()
            }
            return decoder(self.protocol, options)
        except ValueError as error:
            raise ParseError(f"reader URL {self.text!r}: {error}") from error

    def __str__(self) -> str:
        return self.text
