"""The device side of each protocol, sans-I/O: what a station can be tried against without the hardware."""
