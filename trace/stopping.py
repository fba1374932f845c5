"""How a command hears that it shall stop."""

import signal
from collections.abc import Callable


def stopped_by_signal() -> Callable[[], bool]:
    """Whether SIGTERM or Ctrl-C has come, from now on.

    The handler takes no lock. Setting a `threading.Event` there hangs the process for good when a second signal arrives
    while the first one is being handled.
    """
    arrived: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: arrived.append(number))
    return lambda: bool(arrived)
