"""How long to wait before trying again: doubling, bounded, and spread so that many stations do not come at once."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Doubles from `first_s` to `most_s`; each wait is between half and all of the step."""

    first_s: float
    most_s: float
    rng: random.Random
    _step_s: float = field(default=0.0, init=False)

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        self._step_s = min(self.most_s, self._step_s * 2 or self.first_s)
        return self._step_s * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next failure starts small again."""
        self._step_s = 0.0
