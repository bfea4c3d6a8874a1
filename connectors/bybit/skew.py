"""How far the exchange's clock is ahead of ours."""

from collections import deque
from statistics import median_low

SAMPLES = 9
AGREE = 3
"""So many measurements must tell the same before the clock is believed."""
_SAME = 10_000_000


class Skew:
    """Measured from answers that say the exchange's time. All times in microseconds.

    Each answer was made between the moment we asked and the moment it came: the middle is the best guess. The median of
    the last few is kept, so that one answer that was slow, or that lies, changes nothing.

    >>> skew = Skew()
    >>> for theirs in (5_000_100, 5_000_300, 9_999_999):
    ...     skew.feed(asked=100, came=300, theirs=theirs)
    >>> skew.offset
    5000100
    """

    def __init__(self) -> None:
        self.offsets: deque[int] = deque(maxlen=SAMPLES)

    def feed(self, asked: int, came: int, theirs: int) -> None:
        """An answer that says ``theirs`` came at ``came`` to what was asked at ``asked``, both by our clock."""
        self.offsets.append(theirs - (asked + came) // 2)

    @property
    def believed(self) -> bool:
        """Whether enough measurements agree, within ten seconds."""
        return sum(abs(offset - self.offset) <= _SAME for offset in self.offsets) >= AGREE

    @property
    def offset(self) -> int:
        """Microseconds to add to our time for the exchange's; 0 as long as nothing is known."""
        return median_low(self.offsets) if self.offsets else 0

    def forget(self) -> None:
        """Our clock was set, or the exchange complains: measure anew."""
        self.offsets.clear()
