"""How many rows to draft for a pass of the large model: as many as the measured acceptance makes worth while."""

import numpy as np

MEMORY = 0.98  # weight of what was measured before a verified row
FIRST_GUESS, GUESSED_ROWS = 0.7, 2.0  # the guess weighs as much as so many measured rows


class DraftLength:
    """Keeps count of accepted drafts, and of their positions.

    Args:
        rows: Rows of a draft; 0: as many as pay.
        most: Rows of a plan.
        row_cost: Time that a drafted row takes, relative to a pass of the large model.
    """

    def __init__(self, rows: int, most: int, row_cost: float):
        self._rows, self._most, self._row_cost = rows, most, row_cost
        self._good = self._all = 0.0  # rows that were examined lately, and those of them that were accepted
        self.passes = self.rows = self.drafted = 0
        self.examined, self.accepted = np.zeros(most, np.int64), np.zeros(most, np.int64)  # by position

    def forget(self) -> None:
        """Guess the acceptance anew; the counts stay."""
        self._good = self._all = 0.0

    @property
    def acceptance(self) -> float:
        """Probability of a draft whose predecessors were accepted, by what was measured lately."""
        return (self._good + GUESSED_ROWS * FIRST_GUESS) / (self._all + GUESSED_ROWS)

    @property
    def best(self) -> int:
        """Rows to draft next."""
        if self._rows:
            return min(self._rows, self._most)
        lengths = np.arange(1, self._most + 1)
        gained = np.array([expected_length(self.acceptance, int(n)) for n in lengths])
        return int(lengths[np.argmax(gained / (1.0 + self._row_cost * lengths))])

    def count(self, drafted: int, accepted: int) -> None:
        """Take note of a pass that verified so many rows and accepted so many."""
        examined = min(accepted + 1, drafted)
        self.passes += 1
        self.rows += examined
        self.drafted += drafted
        self.examined[:examined] += 1
        self.accepted[:accepted] += 1
        for position in range(examined):
            self._good = MEMORY * self._good + (position < accepted)
            self._all = MEMORY * self._all + 1.0

    @property
    def by_position(self) -> list[float | None]:
        """Share of drafts that were accepted, by position, of those whose predecessors were."""
        pairs = zip(self.accepted.tolist(), self.examined.tolist(), strict=True)
        return [a / e if e else None for a, e in pairs]


def expected_length(acceptance: float, rows: int) -> float:
    """Mean rows that a pass yields which verifies so many drafts: (1 - a^(g+1)) / (1 - a) for g = rows - 1.

    Leviathan et al., arXiv 2211.17192, equation 1; their g drafts and the large model's own next token come to as many
    as g + 1 drafts, the last of which stands or is replaced.
    """
    return float(rows) if acceptance >= 1.0 else (1.0 - acceptance**rows) / (1.0 - acceptance)
