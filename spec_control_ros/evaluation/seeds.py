"""Seeds as a user names them."""

from collections.abc import Sequence

from spec_control_ros.core.errors import SettingsError

LARGEST = 2**31 - 1
MOST = 100_000


def parse_seeds(text: str, episodes: int | None) -> list[int]:
    """Seeds of the words `A:B` (from A to B - 1), `A,B,C`, or `A`: the first of so many; no words: from 0 on.

    For no number of episodes they are all that are named, or 20 from the first where one is.

    Raises:
        SettingsError: the words are none of these, a seed comes twice, or there are too few.
    """
    seeds: Sequence[int]
    try:
        if ":" in text:
            first, last = map(int, text.split(":"))
            seeds = range(first, last)
        elif "," in text:
            seeds = [int(word) for word in text.split(",")]
        else:
            first = int(text or 0)
            seeds = range(first, first + (20 if episodes is None else episodes))
    except ValueError:
        raise SettingsError(f"seeds: got {text!r}, expected as in 0:20, 3,5,8 or 0") from None
    if not seeds or seeds[MOST:] or len(set(seeds)) < len(seeds) or min(seeds) < 0 or max(seeds) > LARGEST:
        raise SettingsError(
            f"seeds: got {text!r}, expected 1 to {MOST} different numbers from 0 to {LARGEST}"
        )
    if episodes is not None and episodes > len(seeds):
        raise SettingsError(f"seeds: got {len(seeds)} for {episodes} episodes, expected one for each")
    return list(seeds if episodes is None else seeds[:episodes])
