"""A scanner that sends lines (`scanners.line` is its counterpart)."""

from devices.emulators.faults import Wire


class LineScannerEmulator:
    """`scan(b"]d2010690...")` is what pulling the trigger does."""

    def __init__(self, *, suffix: bytes = b"\r\n") -> None:
        self._suffix = suffix
        self.wire = Wire()

    def scan(self, data: bytes) -> None:
        """`data` as the scanner is set up to send it: AIM identifier and content, FNC1 as 0x1D."""
        self.wire.send(data + self._suffix)

    def receive(self, data: bytes) -> None:
        """Such a scanner does not listen."""

    def to_send(self) -> bytes:
        return self.wire.take()
