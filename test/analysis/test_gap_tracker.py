from hypothesis import given
from hypothesis import strategies as st

from spec_control_ros.analysis.gap_tracker import GapTracker, ranges


@given(st.lists(st.integers(0, 30), max_size=60))
def test_gaps_are_what_is_missing_between_first_and_last_in_whatever_order_they_come(
    numbers: list[int],
) -> None:
    sequence = GapTracker()
    for number in numbers:
        sequence.add(number)
    missing = set(range(min(numbers), max(numbers))) - set(numbers) if numbers else set()
    assert {n for first, last in sequence.gaps for n in range(first, last + 1)} == missing
    assert sequence.missing == len(missing)
    assert sequence.gaps == sorted(sequence.gaps)
    assert (sequence.count, sequence.repeated) == (len(numbers), len(numbers) - len(set(numbers)))
    is_first = [number not in numbers[:i] for i, number in enumerate(numbers)]
    late = [number < max(numbers[:i], default=0) for i, number in enumerate(numbers)]
    assert sequence.late == sum(a and b for a, b in zip(is_first, late, strict=True))


def test_gap_of_any_length_costs_nothing() -> None:
    sequence = GapTracker()
    sequence.add(0)
    sequence.add(2**32 - 1)
    assert sequence.gaps == [(1, 2**32 - 2)]


def test_gaps_in_words() -> None:
    assert ranges([(3, 3), (7, 9)]) == "3, 7 to 9"
    assert ranges([(n, n) for n in range(0, 20, 2)], most=2) == "0, 2 and 8 gaps more"
