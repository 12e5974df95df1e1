"""Which numbers of a rising sequence came."""

from bisect import bisect_right


class GapTracker:
    """Keeps the gaps only, so that it stays small however long the sequence is."""

    def __init__(self) -> None:
        self.count = self.repeated = self.late = 0  # late: after a higher number
        self.gaps: list[tuple[int, int]] = []  # first and last number that did not come, in order
        self.first = self.last = -1  # the lowest and the highest

    @property
    def missing(self) -> int:
        """How many numbers did not come, of those between the first and the last that did."""
        return sum(last - first + 1 for first, last in self.gaps)

    def add(self, number: int) -> None:
        """Take note of a number; it may come late, or again."""
        self.count += 1
        if self.count == 1:
            self.first = self.last = number
        elif number > self.last:
            self.gaps += [(self.last + 1, number - 1)] if number > self.last + 1 else []
            self.last = number
        elif number < self.first:
            self.gaps[:0] = [(number + 1, self.first - 1)] if number < self.first - 1 else []
            self.first = number
            self.late += 1
        else:
            self._fill(number)

    def _fill(self, number: int) -> None:
        at = bisect_right(self.gaps, number, key=lambda gap: gap[0]) - 1
        if at < 0 or number > self.gaps[at][1]:
            self.repeated += 1
            return
        self.late += 1
        first, last = self.gaps[at]
        self.gaps[at : at + 1] = [(a, b) for a, b in ((first, number - 1), (number + 1, last)) if a <= b]


def ranges(gaps: list[tuple[int, int]], most: int = 5) -> str:
    """Gaps in words, as `3, 7 to 9 and 2 gaps more`."""
    told = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in gaps[:most])
    return told + (f" and {len(gaps) - most} gaps more" if len(gaps) > most else "")


def counted(count: int, what: str) -> str:
    """A count in words, as `1 message` or `3 messages`."""
    return f"{count} {what}" + ("" if count == 1 else "s")
